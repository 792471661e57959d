package dev.mobiledeploy.demo

import android.graphics.Bitmap
import dev.mobiledeploy.core.Classification
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.Verdict

/**
 * All that the screen shows. A change makes a new one.
 *
 * @property contract of the model; null while it is loaded and when there is none.
 * @property choice of engine and threads.
 * @property preview the photo, upright and small.
 * @property answer what the model says of it.
 * @property working whether a photo is being read or classified.
 * @property testing whether the self-test runs.
 * @property verdict of the last self-test.
 * @property problem what went wrong, if anything did.
 */
internal data class ScreenState(
    val contract: Contract? = null,
    val choice: Choice = Choice(),
    val preview: Bitmap? = null,
    val answer: Answer? = null,
    val working: Boolean = false,
    val testing: Boolean = false,
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
 */
internal data class Answer(val classification: Classification, val choice: Choice)
