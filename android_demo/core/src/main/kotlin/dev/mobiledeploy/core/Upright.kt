package dev.mobiledeploy.core

import kotlin.math.min

/** The region of the stored photo that the crop of the upright one takes. */
internal fun storedRegion(width: Int, height: Int, crop: Crop, orientation: Orientation): Region {
    if (crop == Crop.STRETCH) return Region(0, 0, width, height)
    val side = min(width, height)
    // An odd rest leaves the additional pixel at the bottom or right of the upright photo.
    val alongRows =
        if (orientation.transposed) orientation.rowsReversed else orientation.columnsReversed
    val alongColumns =
        if (orientation.transposed) orientation.columnsReversed else orientation.rowsReversed
    return Region(centred(width, side, alongRows), centred(height, side, alongColumns), side, side)
}

private fun centred(length: Int, side: Int, reversed: Boolean): Int =
    (length - side).let { rest -> if (reversed) rest - rest / 2 else rest / 2 }

/**
 * Turns a square image upright. `triangle-v1` gives the same bits whether a photo is turned before
 * it or after, and after it there is much less to turn.
 */
internal fun upright(rgb: ByteArray, size: Int, orientation: Orientation): ByteArray {
    if (orientation == Orientation.UPRIGHT) return rgb
    val turned = ByteArray(rgb.size)
    for (y in 0 until size) {
        val row = if (orientation.rowsReversed) size - 1 - y else y
        for (x in 0 until size) {
            val column = if (orientation.columnsReversed) size - 1 - x else x
            val from = 3 * if (orientation.transposed) column * size + row else row * size + column
            rgb.copyInto(turned, 3 * (y * size + x), from, from + 3)
        }
    }
    return turned
}
