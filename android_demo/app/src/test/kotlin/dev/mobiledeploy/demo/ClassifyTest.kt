package dev.mobiledeploy.demo

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.GraphicsMode

/** The screen says what Python says of the same file with the same model. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ClassifyTest {
    @Test
    fun everyPhotoGetsPythonsAnswersFromEveryEngine() {
        val expected = TestFiles.expectedAnswers()
        assertTrue("no expectations", expected.isNotEmpty())
        Phone().use { phone ->
            phone.settle()
            val engines = phone.segments(R.id.engines).map { it.text.toString() }
            assertEquals(expected.map { it.engine }.toSet(), engines.toSet())
            for ((file, byEngine) in expected.groupBy { it.file }) {
                phone.choose(File(TestFiles.photos, file))
                assertEquals("$file: ${phone.problem()}", null, phone.problem())
                for (answer in byEngine) {
                    phone.press(R.id.engines, answer.engine)
                    assertEquals("$file, ${answer.engine}", answer.rows, phone.answers())
                    assertTrue(phone.text(R.id.latency).contains(answer.engine))
                }
            }
        }
    }

    @Test
    fun theAnswerStandsAboveItsRowsAndTheBarsFollowTheScores() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            assertNotNull(phone.photo())
            assertEquals(phone.rows().first().text(R.id.label), phone.text(R.id.status))
            val scores = phone.rows().map { it.text(R.id.score).removeSuffix("%").toDouble() / 100 }
            phone.bars().zip(scores).forEach { (bar, score) -> assertEquals(score, bar, 0.0011) }
        }
    }

    @Test
    fun aTurnedPhotoIsShownUpright() {
        Phone().use { phone ->
            phone.choose(TestFiles.turned)
            val shown = phone.photo()!!.drawable
            assertTrue(
                "${shown.intrinsicWidth} x ${shown.intrinsicHeight}",
                shown.intrinsicHeight > shown.intrinsicWidth,
            )
        }
    }

    @Test
    fun threadsChangeNoAnswer() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            val one = phone.answers()
            for (threads in listOf("2", "4")) {
                phone.press(R.id.threads, threads)
                assertEquals(one, phone.answers())
                assertTrue(
                    phone.text(R.id.latency),
                    phone.text(R.id.latency).contains(", $threads threads: "),
                )
            }
        }
    }

    @Test
    fun theNewestOfTwoPhotosWins() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            val wanted = phone.answers()
            phone.choose(TestFiles.turned)
            val other = phone.answers()
            assertTrue("two photos that differ", wanted != other)
            phone.chooseInAHurry(TestFiles.turned, TestFiles.upright)
            assertEquals(wanted, phone.answers())
        }
    }
}
