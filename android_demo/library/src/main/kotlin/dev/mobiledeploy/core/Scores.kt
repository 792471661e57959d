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

/**
 * Indices and scores of the [count] likeliest classes; of a regression, of the first values.
 *
 * @param values the real values of the output.
 */
internal fun bestAnswers(
    values: DoubleArray,
    contract: Contract,
    count: Int,
): List<Pair<Int, Double>> {
    val logits = contract.head == Head.LOGITS
    return when (contract.task) {
        Task.REGRESSION -> values.indices.take(count).map { it to values[it] }
        Task.BINARY -> {
            val second = if (logits) sigmoid(values).first() else values.first()
            val scores = doubleArrayOf(1 - second, second)
            highest(scores, count).map { it to scores[it] }
        }
        else -> {
            val classes = contract.task == Task.CLASSIFICATION
            val scores =
                if (!logits) values else if (classes) softmax(values) else sigmoid(values)
            // By the values: far down, scores of different logits may both be 0.
            highest(values, count).map { it to scores[it] }
        }
    }
}

/** Indices of the [count] highest values, highest first; of equal ones the lower index. */
internal fun highest(values: DoubleArray, count: Int): List<Int> =
    values.indices.sortedByDescending { values[it] }.take(count)
