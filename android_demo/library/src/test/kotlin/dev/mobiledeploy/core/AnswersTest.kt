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
    fun otherTasksThanClassesHaveScoresOfTheirOwn() {
        fun answers(task: Task, head: Head, vararg values: Double) =
            bestAnswers(values, Fakes.contract().copy(task = task, head = head), 5)
        assertEquals(
            listOf(1 to 0.75, 0 to 0.25),
            answers(Task.BINARY, Head.SOFTMAX, 0.75),
        )
        assertEquals(listOf(0 to 0.5, 1 to 0.5), answers(Task.BINARY, Head.LOGITS, 0.0))
        assertEquals(
            listOf(1 to 1.0, 0 to 0.5, 2 to 0.0),
            answers(Task.MULTI_LABEL, Head.LOGITS, 0.0, 1e3, -1e3),
        )
        assertEquals(
            listOf(0 to 0.9, 1 to 0.8),
            answers(Task.MULTI_LABEL, Head.SOFTMAX, 0.9, 0.8),
        )
        assertEquals(
            listOf(0 to -3.0, 1 to 40.0),
            answers(Task.REGRESSION, Head.LOGITS, -3.0, 40.0),
        )
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
