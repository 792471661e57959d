package dev.mobiledeploy.demo

import android.graphics.Bitmap
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.PixelSource

/**
 * A decoded photo, every pixel of it.
 *
 * @property pixels as stored, straight alpha.
 * @property orientation how the camera was held.
 */
internal class Photo(private val bitmap: Bitmap, val orientation: Orientation) {
    val pixels: PixelSource = BitmapPixels(bitmap)

    /** Frees the pixels now: a 12-megapixel photo is 48 MB that no collector knows of. */
    fun recycle() = bitmap.recycle()
}

/** Rows of a bitmap that was decoded without multiplying the colours by alpha. */
private class BitmapPixels(private val bitmap: Bitmap) : PixelSource {
    override val width: Int
        get() = bitmap.width

    override val height: Int
        get() = bitmap.height

    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) =
        bitmap.getPixels(into, 0, count, x, y, count, 1)
}
