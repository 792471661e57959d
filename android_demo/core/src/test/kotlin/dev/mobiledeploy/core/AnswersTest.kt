package dev.mobiledeploy.core

import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Test

class AnswersTest {
    private val shared = Shared.read("answers.json")

    @Test
    fun codesBecomePythonsScoresInPythonsOrder() {
        for (case in shared["answers"].items) {
            val what = case["what"].text
            val values =
                Grid(case["scale"].double, case["zero_point"].int).dequantise(case["codes"].doubles)
            val scores = if (case["head"].text == "logits") softmax(values) else values
            assertEquals(what, case["best"].ints, highest(values, 5))
            case["scores"].doubles.forEachIndexed { index, expected ->
                val apart = abs(scores[index] - expected)
                assert(apart <= 1e-13 + 1e-12 * expected) {
                    "$what: $index: expected $expected, received ${scores[index]}"
                }
            }
        }
    }

    @Test
    fun hugeLogitsDoNotOverflow() {
        assertEquals(listOf(1.0, 0.0), softmax(doubleArrayOf(1e300, -1e300)).toList())
    }

    @Test
    fun moreClassesThanThereAreAreAllOfThem() {
        assertEquals(listOf(1, 0), highest(doubleArrayOf(1.0, 2.0), 5))
    }
}
