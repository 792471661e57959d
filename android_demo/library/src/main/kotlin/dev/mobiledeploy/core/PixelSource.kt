package dev.mobiledeploy.core

/**
 * A decoded photo, read row by row, so that 12 megapixels need not stand in memory twice.
 *
 * Pixels are `0xAARRGGBB` with straight (not premultiplied) alpha.
 */
public interface PixelSource {
    /** Pixels a row, as stored: before the EXIF orientation is undone. */
    public val width: Int

    /** Rows, as stored. */
    public val height: Int

    /** Puts the [count] pixels of row [y] from column [x] on into [into], from index 0 on. */
    public fun readRow(x: Int, y: Int, count: Int, into: IntArray)
}

/** A photo that stands in memory: [argb] holds [height] rows of [width] pixels. */
public class ArgbPixels(
    override val width: Int,
    override val height: Int,
    private val argb: IntArray,
) : PixelSource {
    init {
        require(argb.size.toLong() == width.toLong() * height) {
            "expected $width x $height pixels, received ${argb.size}"
        }
    }

    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) {
        val start = y * width + x
        argb.copyInto(into, 0, start, start + count)
    }
}
