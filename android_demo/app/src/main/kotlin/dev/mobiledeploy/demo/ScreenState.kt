package dev.mobiledeploy.demo

import android.graphics.Bitmap
import dev.mobiledeploy.core.Classification
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.FrameRate
import dev.mobiledeploy.core.Guess
import dev.mobiledeploy.core.Verdict

/**
 * All that the screen shows. A change makes a new one.
 *
 * @property contract of the model; null while it is loaded and when there is none.
 * @property samples raw resources with photos that the model knows.
 * @property choice of engine and threads.
 * @property display which answers are shown.
 * @property preview the photo, upright and small.
 * @property answer what the model says of it.
 * @property fetching whether a photo is on its way from another app.
 * @property comparing whether engines and threads are being compared.
 * @property comparison the photo's answers by every engine and number of threads.
 * @property working whether a photo is being decoded or classified.
 * @property live that the camera's frames are being classified; null while they are not.
 * @property testing how far the self-test is; null while it does not run.
 * @property verdict of the last self-test.
 * @property problem what went wrong, if anything did.
 */
internal data class ScreenState(
    val contract: Contract? = null,
    val samples: List<Int> = emptyList(),
    val choice: Choice = Choice(),
    val display: Display = Display(),
    val preview: Bitmap? = null,
    val answer: Answer? = null,
    val comparing: Boolean = false,
    val comparison: List<Answer> = emptyList(),
    val fetching: Boolean = false,
    val working: Boolean = false,
    val live: Live? = null,
    val testing: TestProgress? = null,
    val verdict: Verdict? = null,
    val problem: Problem? = null,
)

/**
 * How the model runs.
 *
 * @property engine index in the list of this flavour.
 * @property threads that one inference may use.
 */
internal data class Choice(val engine: Int = 0, val threads: Int = 1)

/**
 * A classified photo.
 *
 * @property classification the best classes and the times.
 * @property choice how the model ran.
 * @property engine the runtime, its version and its threads, as it calls itself.
 * @property contractSha256 which model it was, 64 hexadecimal digits.
 */
internal data class Answer(
    val classification: Classification,
    val choice: Choice,
    val engine: String,
    val contractSha256: String,
)

/**
 * Which answers are shown.
 *
 * @property count at most so many.
 * @property threshold lowest score, 0..1; of no importance where answers are no scores.
 */
internal data class Display(val count: Int = 5, val threshold: Double = 0.0) {
    /** The answers that are shown of [best]. */
    fun of(best: List<Guess>, scores: Boolean): List<Guess> =
        best.filter { !scores || it.score >= threshold }.take(count)
}

/**
 * The live picture.
 *
 * @property rate how fast frames are classified; null before the first one.
 */
internal data class Live(val rate: FrameRate? = null)

/**
 * How far the self-test is.
 *
 * @property engine that runs now, as it calls itself.
 * @property done images of this engine.
 * @property total images of this engine.
 */
internal data class TestProgress(val engine: String, val done: Int, val total: Int)
