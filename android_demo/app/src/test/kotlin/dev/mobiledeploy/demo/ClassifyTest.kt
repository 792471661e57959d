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
    fun theWinnerStandsOnceAndTheBarsFollowTheScores() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            assertNotNull(phone.photo())
            assertEquals(4, phone.rows().size)
            val winner = phone.text(R.id.status)
            assertTrue(phone.rows().none { it.text(R.id.label) == winner })
            val scores =
                phone.answers().map { it.substringAfterLast(' ').removeSuffix("%").toDouble() / 100 }
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
    fun countAndThresholdChangeWhatIsShownAndNothingIsComputedAgain() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            val five = phone.answers()
            val latency = phone.text(R.id.latency)
            phone.press(R.id.counts, "1")
            assertEquals(five.take(1), phone.answers())
            phone.press(R.id.counts, "10")
            assertEquals(10, phone.answers().size)
            assertEquals(five, phone.answers().take(5))
            phone.press(R.id.thresholds, "10%")
            val above = five.filter { it.substringAfterLast(' ').removeSuffix("%").toDouble() >= 10 }
            assertEquals(above, phone.answers())
            assertEquals(latency, phone.text(R.id.latency))
        }
    }

    @Test
    fun whereNothingReachesTheThresholdTheScreenSaysSo() {
        Phone().use { phone ->
            val unsure =
                TestFiles.photos.listFiles()!!.sorted().firstOrNull { file ->
                    if (file.extension == "tsv") return@firstOrNull false
                    phone.choose(file)
                    phone.answers().first().substringAfterLast(' ').removeSuffix("%").toDouble() <
                        50
                }
            phone.press(R.id.thresholds, "50%")
            assertNotNull("a photo of which the model is unsure", unsure)
            assertEquals("Nothing reaches 50%", phone.text(R.id.status))
            assertTrue(phone.answers().isEmpty())
        }
    }

    @Test
    fun enginesAndThreadsAreComparedOnOnePhoto() {
        Phone().use { phone ->
            phone.choose(TestFiles.upright)
            phone.press(R.id.compare)
            phone.settle()
            val rows = phone.find<android.view.ViewGroup>(R.id.comparison).children()
            assertEquals(
                listOf("LiteRT", "ONNX Runtime").flatMap { engine ->
                    listOf("1 thread", "2 threads", "4 threads").map { "$engine, $it" }
                },
                rows.map { it.text(R.id.compared_engine) },
            )
            val byEngine = TestFiles.expectedAnswers().filter { it.file == TestFiles.upright.name }
            for (row in rows) {
                val engine = row.text(R.id.compared_engine).substringBefore(',')
                val expected = byEngine.single { it.engine == engine }.rows.first()
                val shown = row.text(R.id.compared_answer)
                assertTrue("$shown, expected $expected", shown.startsWith("$expected · "))
                assertTrue(shown, Regex(""".* · \d+[.]\d ms""").matches(shown))
            }
            phone.choose(TestFiles.turned)
            assertEquals(0, phone.find<android.view.ViewGroup>(R.id.comparison).childCount)
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
