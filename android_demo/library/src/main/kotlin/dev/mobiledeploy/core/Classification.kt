package dev.mobiledeploy.core

/**
 * A class that a photo may show.
 *
 * @property index of the class: its line in `labels.txt`, from 0.
 * @property label its name.
 * @property score its probability, 0..1; of a [Task.REGRESSION], its value.
 */
public data class Guess(val index: Int, val label: String, val score: Double)

/**
 * What a model says of a photo.
 *
 * @property best the likeliest classes, likeliest first; of equal ones the lower index. Of a
 *   [Task.REGRESSION], the first values in their order.
 * @property preprocessingNanos crop, resize and encoding.
 * @property inferenceNanos the runtime alone.
 */
public data class Classification(
    val best: List<Guess>,
    val preprocessingNanos: Long,
    val inferenceNanos: Long,
)
