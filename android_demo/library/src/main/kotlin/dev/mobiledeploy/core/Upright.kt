package dev.mobiledeploy.core

/** The region of the stored photo that the crop of the upright one takes. */
internal fun storedRegion(
    width: Int,
    height: Int,
    wanted: Preprocessing,
    orientation: Orientation,
): Region {
    if (wanted.crop == Crop.STRETCH) return Region(0, 0, width, height)
    val turned = orientation.transposed
    val columns = if (turned) wanted.height else wanted.width
    val rows = if (turned) wanted.width else wanted.height
    // The largest part with the proportions of the result, rounded down.
    val tall = height.toLong() * columns >= width.toLong() * rows
    val kept = (if (tall) width.toLong() * rows / columns else height.toLong() * columns / rows)
    val short = kept.toInt().coerceAtLeast(1)
    val across = if (tall) width else short
    val down = if (tall) short else height
    // An odd rest leaves the additional pixel at the bottom or right of the upright photo.
    val alongRows = if (turned) orientation.rowsReversed else orientation.columnsReversed
    val alongColumns = if (turned) orientation.columnsReversed else orientation.rowsReversed
    return Region(
        centred(width, across, alongRows),
        centred(height, down, alongColumns),
        across,
        down,
    )
}

private fun centred(length: Int, side: Int, reversed: Boolean): Int =
    (length - side).let { rest -> if (reversed) rest - rest / 2 else rest / 2 }

/**
 * Turns an RGB image of [columns] x [rows] stored pixels upright. `triangle-v1` gives the same bits
 * whether a photo is turned before it or after, and after it there is much less to turn.
 */
internal fun upright(
    rgb: ByteArray,
    columns: Int,
    rows: Int,
    orientation: Orientation,
): ByteArray {
    if (orientation == Orientation.UPRIGHT) return rgb
    val turned = ByteArray(rgb.size)
    val width = if (orientation.transposed) rows else columns
    val height = if (orientation.transposed) columns else rows
    for (y in 0 until height) {
        val row = if (orientation.rowsReversed) height - 1 - y else y
        for (x in 0 until width) {
            val column = if (orientation.columnsReversed) width - 1 - x else x
            val pixel =
                if (orientation.transposed) column * columns + row else row * columns + column
            rgb.copyInto(turned, 3 * (y * width + x), 3 * pixel, 3 * pixel + 3)
        }
    }
    return turned
}

/** Copies a photo into memory, turned upright. */
public fun uprightCopy(source: PixelSource, orientation: Orientation): ArgbPixels {
    val columns = source.width
    val rows = source.height
    val width = if (orientation.transposed) rows else columns
    val height = if (orientation.transposed) columns else rows
    val row = IntArray(columns)
    val argb = IntArray(width * height)
    for (y in 0 until rows) {
        source.readRow(0, y, columns, row)
        for (x in 0 until columns) {
            val down = if (orientation.transposed) x else y
            val across = if (orientation.transposed) y else x
            val line = if (orientation.rowsReversed) height - 1 - down else down
            val column = if (orientation.columnsReversed) width - 1 - across else across
            argb[line * width + column] = row[x]
        }
    }
    return ArgbPixels(width, height, argb)
}
