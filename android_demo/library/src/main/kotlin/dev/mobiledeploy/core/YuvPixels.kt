package dev.mobiledeploy.core

import java.nio.ByteBuffer

/**
 * A plane of a camera's image: one value every [pixelStride] bytes, a row every [rowStride] bytes.
 *
 * @property bytes from index 0 on, whatever the buffer's position is. The last row may end at its
 *   last value.
 */
public class YuvPlane(
    public val bytes: ByteBuffer,
    public val rowStride: Int,
    public val pixelStride: Int,
)

/**
 * A camera's image in YUV 4:2:0: a brightness Y for each pixel, and colours U (Cb) and V (Cr) for
 * each square of 2 x 2 pixels, which all four take.
 *
 * The conversion is that of JPEG (full-range BT.601), with the integers of libjpeg: with `u` and
 * `v` 128 less, and `>>` rounding down,
 *
 *     R = Y + ((91881 v + 32768) >> 16)
 *     G = Y + ((-22554 u - 46802 v + 32768) >> 16)
 *     B = Y + ((116130 u + 32768) >> 16)
 *
 * limited to 0..255.
 *
 * @param luma the plane Y.
 * @param cb the plane U.
 * @param cr the plane V.
 * @property width columns that are read.
 * @property height rows that are read.
 * @param left first column that is read.
 * @param top first row that is read.
 * @throws ImageException a plane has no bytes for these pixels.
 */
public class YuvPixels(
    private val luma: YuvPlane,
    private val cb: YuvPlane,
    private val cr: YuvPlane,
    override val width: Int,
    override val height: Int,
    private val left: Int = 0,
    private val top: Int = 0,
) : PixelSource {
    init {
        if (width < 1 || height < 1 || left < 0 || top < 0) {
            throw ImageException(
                "expected a part of an image, received $width x $height from ($left, $top)"
            )
        }
        val column = left + width - 1
        val row = top + height - 1
        luma.mustHold(column, row, "Y")
        cb.mustHold(column shr 1, row shr 1, "U")
        cr.mustHold(column shr 1, row shr 1, "V")
    }

    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) {
        val row = top + y
        for (index in 0 until count) {
            val column = left + x + index
            val brightness = luma.at(column, row)
            val u = cb.at(column shr 1, row shr 1) - 128
            val v = cr.at(column shr 1, row shr 1) - 128
            val red = limited(brightness + (91881 * v + 32768 shr 16))
            val green = limited(brightness + (-22554 * u - 46802 * v + 32768 shr 16))
            val blue = limited(brightness + (116130 * u + 32768 shr 16))
            into[index] = OPAQUE or (red shl 16) or (green shl 8) or blue
        }
    }

    private companion object {
        const val OPAQUE = 255 shl 24
    }
}

private fun YuvPlane.at(column: Int, row: Int): Int =
    bytes.get(row * rowStride + column * pixelStride).toInt() and 255

private fun YuvPlane.mustHold(column: Int, row: Int, name: String) {
    val needed = row.toLong() * rowStride + column.toLong() * pixelStride + 1
    if (rowStride < 1 || pixelStride < 1 || needed > bytes.limit()) {
        throw ImageException(
            "expected $needed bytes in plane $name (rowStride $rowStride, pixelStride " +
                "$pixelStride), received ${bytes.limit()}"
        )
    }
}

private fun limited(value: Int): Int = if (value < 0) 0 else if (value > 255) 255 else value
