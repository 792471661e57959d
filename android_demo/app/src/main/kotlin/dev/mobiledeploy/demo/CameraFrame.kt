package dev.mobiledeploy.demo

import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.YuvPixels
import dev.mobiledeploy.core.YuvPlane

/** A slot for the camera's frames, whose memory is used again and again. */
internal class CameraFrame {
    private val planes = arrayOfNulls<YuvPlane>(3)

    /** The frame as the sensor gave it. */
    lateinit var pixels: YuvPixels
        private set

    /** How the phone was held. */
    var orientation = Orientation.UPRIGHT
        private set

    /** When the frame arrived, by [System.nanoTime]. */
    var arrivedNanos = 0L
        private set

    /**
     * Takes a frame over.
     *
     * @param rotation degrees clockwise that turn it upright.
     * @param plane copies plane 0 (Y), 1 (U) or 2 (V) into the memory of an earlier one.
     * @param pixels makes the picture of the three.
     */
    fun fill(
        rotation: Int,
        plane: (index: Int, earlier: YuvPlane?) -> YuvPlane,
        pixels: (y: YuvPlane, u: YuvPlane, v: YuvPlane) -> YuvPixels,
    ) {
        arrivedNanos = System.nanoTime()
        orientation = Orientation.ofRotation(rotation)
        val (y, u, v) = List(3) { index -> plane(index, planes[index]).also { planes[index] = it } }
        this.pixels = pixels(y, u, v)
    }
}
