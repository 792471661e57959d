package dev.mobiledeploy.core

import java.util.Locale
import kotlin.math.abs

/** Holds answers against the golden ones. The worst image decides and is named. */
internal fun compare(
    golden: Golden,
    answers: List<ImageAnswer>,
    medianMillis: Double,
    contract: Contract,
): GoldenComparison {
    val unit = if (contract.isFloat) largest(golden.logits) else 1.0
    val logits =
        answers.mapIndexed { index, it ->
            largestDifference(it.logits, golden.logits[index]) / unit
        }
    val scores =
        answers.mapIndexed { index, it ->
            largestDifference(it.scores, golden.scores[index]) / unit
        }
    val worst =
        answers.indices
            .sortedWith(compareByDescending<Int> { logits[it] }.thenByDescending { scores[it] })
            .first()
    return GoldenComparison(
        images = answers.size,
        exactLogits = logits.count { it == 0.0 },
        maxLogits = logits.max(),
        maxScores = scores.max(),
        sameTop1 =
            answers.indices.count {
                highest(answers[it].logits, 1) == highest(golden.logits[it], 1)
            },
        worst = if (logits[worst] > 0 || scores[worst] > 0) answers[worst].name else "",
        medianMillis = medianMillis,
        answers = answers,
    )
}

/** What is wrong, in words; empty if all is within the tolerance. */
internal fun GoldenComparison.failures(tolerance: Tolerance?): List<String> {
    if (tolerance == null) {
        if (maxLogits <= FLOAT_TOLERANCE) return emptyList()
        return listOf(
            "outputs differ by ${maxLogits.short()} of the largest, " +
                "expected at most $FLOAT_TOLERANCE; worst: $worst"
        )
    }
    return listOfNotNull(
        ("logits differ on ${images - exactLogits} of $images images, " +
                "by up to ${maxLogits.toInt()} LSB; worst: $worst")
            .takeIf { maxLogits > tolerance.logits },
        "scores differ by up to ${maxScores.toInt()} LSB, expected at most ${tolerance.scores}"
            .takeIf { maxScores > tolerance.scores },
    )
}

/** What was found where nothing is wrong, in words. */
internal fun GoldenComparison.praise(tolerance: Tolerance?): String =
    if (tolerance == null) {
        "outputs of $images images within ${maxLogits.short()} of the largest"
    } else {
        "logits exact on $exactLogits of $images images, scores within ${maxScores.toInt()} LSB"
    }

private fun largest(rows: List<DoubleArray>): Double = rows.maxOf { row -> row.maxOf(::abs) }

private fun Double.short(): String = String.format(Locale.ROOT, "%.1e", this)
