package dev.mobiledeploy.android

import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.media.Image
import android.os.Build
import dev.mobiledeploy.core.ImageException
import dev.mobiledeploy.core.PixelSource
import dev.mobiledeploy.core.YuvPixels
import dev.mobiledeploy.core.YuvPlane

/**
 * The pixels of a bitmap, which must not be recycled or changed while they are read.
 *
 * Exact where the bitmap was decoded with `inPremultiplied = false` or has no transparent pixels,
 * and where its colours are sRGB: Android converts others.
 *
 * @throws ImageException its pixels are in the graphics memory only.
 */
public fun Bitmap.pixels(): PixelSource {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O && config == Bitmap.Config.HARDWARE) {
        throw ImageException(
            "expected a bitmap in memory, received one of the graphics processor: " +
                "`bitmap.copy(Bitmap.Config.ARGB_8888, false)` makes one"
        )
    }
    return BitmapPixels(this)
}

/**
 * A copy of the pixels of a camera's image, inside its crop rectangle: it may be closed then.
 * [YuvPixels] says how colours are computed.
 *
 * @throws ImageException its format is not `YUV_420_888`.
 */
public fun Image.pixels(): PixelSource {
    if (format != ImageFormat.YUV_420_888) {
        throw ImageException(
            "expected an image in YUV_420_888 (${ImageFormat.YUV_420_888}), received format $format"
        )
    }
    val (y, u, v) = planes.map { YuvPlane.copy(it.buffer, it.rowStride, it.pixelStride) }
    val crop = cropRect
    return YuvPixels(crop.width(), crop.height(), y, u, v, crop.left, crop.top)
}

private class BitmapPixels(private val bitmap: Bitmap) : PixelSource {
    override val width: Int
        get() = bitmap.width

    override val height: Int
        get() = bitmap.height

    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) =
        bitmap.getPixels(into, 0, count, x, y, count, 1)
}
