package dev.mobiledeploy.core

import kotlin.math.exp

/** Real values of int8 codes: `(code - zeroPoint) * scale`. */
internal fun Grid.dequantise(codes: DoubleArray): DoubleArray =
    DoubleArray(codes.size) { (codes[it] - zeroPoint) * scale }

/** Probabilities of logits, in double precision; they sum to 1. */
internal fun softmax(logits: DoubleArray): DoubleArray {
    val highest = logits.maxOrNull() ?: return logits
    val powers = DoubleArray(logits.size) { exp(logits[it] - highest) }
    val sum = powers.sum()
    return DoubleArray(logits.size) { powers[it] / sum }
}

/** The probability of each logit on its own, in double precision. */
internal fun sigmoid(logits: DoubleArray): DoubleArray =
    DoubleArray(logits.size) { 1 / (1 + exp(-logits[it])) }

/** Indices of the [count] highest values, highest first; of equal ones the lower index. */
internal fun highest(values: DoubleArray, count: Int): List<Int> =
    values.indices.sortedByDescending { values[it] }.take(count)
