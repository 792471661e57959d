package dev.mobiledeploy.demo

import android.graphics.Bitmap
import dev.mobiledeploy.android.pixels
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.PixelSource

/**
 * A decoded photo, every pixel of it.
 *
 * @property pixels as stored, straight alpha.
 * @property orientation how the camera was held.
 */
internal class Photo(private val bitmap: Bitmap, val orientation: Orientation) {
    val pixels: PixelSource = bitmap.pixels()

    /** Frees the pixels now: a 12-megapixel photo is 48 MB that no collector knows of. */
    fun recycle() = bitmap.recycle()
}
