package dev.mobiledeploy.core

import java.nio.Buffer
import java.nio.ByteBuffer

/**
 * One plane of a YUV image: the sample of column x and row y is
 * `bytes[y * rowStride + x * pixelStride]`.
 *
 * @property bytes the samples, 0..255; the last row may end with its last sample.
 * @property rowStride bytes from a row to the next.
 * @property pixelStride bytes from a sample to the next: 1 in a plane of its own, 2 where U and V
 *   alternate.
 */
public class YuvPlane(
    public val bytes: ByteArray,
    public val rowStride: Int,
    public val pixelStride: Int,
) {
    public companion object {
        /**
         * Copies a camera's plane, whose memory the camera takes back.
         *
         * @param buffer from its position to its limit.
         * @param reused an earlier plane, whose memory is used if it has the same size.
         */
        public fun copy(
            buffer: ByteBuffer,
            rowStride: Int,
            pixelStride: Int,
            reused: YuvPlane? = null,
        ): YuvPlane {
            val source = buffer.duplicate()
            val count = (source as Buffer).remaining()
            val bytes = reused?.bytes?.takeIf { it.size == count } ?: ByteArray(count)
            source.get(bytes)
            return YuvPlane(bytes, rowStride, pixelStride)
        }
    }
}

/**
 * A camera's frame: Android's `YUV_420_888` with the full range of JFIF, read as RGB.
 *
 * U and V have half the columns and rows, rounded up; a pixel takes the sample of its block of 2 x
 * 2, without smoothing. With u = U - 128, v = V - 128, all in integers, `>>` rounding down, the
 * results limited to 0..255:
 * ```
 * R = Y + ((91881 v + 32768) >> 16)
 * G = Y + ((-22554 u - 46802 v + 32768) >> 16)
 * B = Y + ((116130 u + 32768) >> 16)
 * ```
 *
 * These are libjpeg's integers for ITU-R BT.601. Every pixel is opaque.
 *
 * @param left first column of the part that counts, in pixels of [y]; [top] its first row.
 * @throws ImageException a plane is too small, or a stride is.
 */
public class YuvPixels(
    override val width: Int,
    override val height: Int,
    private val y: YuvPlane,
    private val u: YuvPlane,
    private val v: YuvPlane,
    private val left: Int = 0,
    private val top: Int = 0,
) : PixelSource {
    init {
        if (width < 1 || height < 1 || left < 0 || top < 0) {
            throw ImageException("expected a frame, received $width x $height at $left, $top")
        }
        val columns = left.toLong() + width
        val rows = top.toLong() + height
        requireHolds("Y", y, columns, rows)
        requireHolds("U", u, (columns + 1) / 2, (rows + 1) / 2)
        requireHolds("V", v, (columns + 1) / 2, (rows + 1) / 2)
    }

    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) {
        val row = top + y
        val first = left + x
        val luma = row * this.y.rowStride
        val uRow = (row shr 1) * u.rowStride
        val vRow = (row shr 1) * v.rowStride
        for (index in 0 until count) {
            val column = first + index
            val light = this.y.bytes[luma + column * this.y.pixelStride].toInt() and 255
            val half = column shr 1
            val blue = (u.bytes[uRow + half * u.pixelStride].toInt() and 255) - 128
            val red = (v.bytes[vRow + half * v.pixelStride].toInt() and 255) - 128
            val r = limited(light + (91881 * red + 32768 shr 16))
            val g = limited(light + (-22554 * blue - 46802 * red + 32768 shr 16))
            val b = limited(light + (116130 * blue + 32768 shr 16))
            into[index] = (0xff shl 24) or (r shl 16) or (g shl 8) or b
        }
    }
}

private fun limited(value: Int): Int = if (value < 0) 0 else if (value > 255) 255 else value

private fun requireHolds(name: String, plane: YuvPlane, columns: Long, rows: Long) {
    val widest = (columns - 1) * plane.pixelStride + 1
    if (plane.pixelStride < 1 || plane.rowStride < widest) {
        throw ImageException(
            "plane $name: expected strides for $columns columns, received ${plane.pixelStride} " +
                "a pixel and ${plane.rowStride} a row"
        )
    }
    val needed = (rows - 1) * plane.rowStride + widest
    if (plane.bytes.size < needed) {
        throw ImageException(
            "plane $name: expected at least $needed bytes, received ${plane.bytes.size}"
        )
    }
}
