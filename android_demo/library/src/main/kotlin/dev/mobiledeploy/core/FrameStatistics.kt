package dev.mobiledeploy.core

import kotlin.math.ceil

/**
 * How fast frames are classified.
 *
 * @property perSecond frames a second, 0 before the second one.
 * @property medianMillis from a frame's arrival to its answer: half of the frames take no longer.
 * @property p90Millis nine of ten frames take no longer.
 * @property frames classified since the start.
 */
public data class FrameRate(
    val perSecond: Double,
    val medianMillis: Double,
    val p90Millis: Double,
    val frames: Long,
)

/**
 * Counts frames, and how long they took; of the last [window] ones, so that it follows the phone
 * when it gets warm. Percentiles are by nearest rank: values that were measured, none in between.
 */
public class FrameStatistics(private val window: Int = 60) {
    private val latencies = ArrayDeque<Long>()
    private val ends = ArrayDeque<Long>()
    private var frames = 0L

    init {
        require(window >= 2) { "expected a window of at least 2 frames, received $window" }
    }

    /**
     * Counts a frame.
     *
     * @param arrivedNanos when the camera gave it, by [System.nanoTime].
     * @param doneNanos when its answer was ready.
     */
    public fun add(arrivedNanos: Long, doneNanos: Long): FrameRate {
        if (latencies.size == window) {
            latencies.removeFirst()
            ends.removeFirst()
        }
        latencies.addLast(doneNanos - arrivedNanos)
        ends.addLast(doneNanos)
        frames++
        val sorted = latencies.sorted()
        return FrameRate(perSecond(), rank(sorted, 0.5), rank(sorted, 0.9), frames)
    }

    /** Forgets all frames. */
    public fun clear() {
        latencies.clear()
        ends.clear()
        frames = 0
    }

    private fun perSecond(): Double {
        val nanos = ends.last() - ends.first()
        return if (nanos <= 0) 0.0 else (ends.size - 1) * 1e9 / nanos
    }

    private fun rank(sorted: List<Long>, part: Double): Double =
        sorted[ceil(part * sorted.size).toInt() - 1] / 1e6
}
