package dev.mobiledeploy.core

/** A rectangle of a photo, pixels. */
internal data class Region(val left: Int, val top: Int, val width: Int, val height: Int)

/**
 * Brings a region of a photo to [width] x [height] by `triangle-v1`, transparent parts on white.
 *
 * Every row is read once, made narrow, and added to the output rows that it touches: memory grows
 * with the result, not with the photo.
 *
 * @return rows from the top, R G B interleaved.
 * @throws ImageException the sums would leave 64 bits.
 */
internal fun resize(source: PixelSource, region: Region, width: Int, height: Int): ByteArray {
    val columns = Triangles(region.width, width)
    val rows = Triangles(region.height, height)
    checkRange(columns, rows)
    val pixels = IntArray(region.width)
    val row = LongArray(3 * width)
    val sums = LongArray(3 * width * height)
    val result = ByteArray(3 * width * height)
    var open = 0
    for (y in 0 until region.height) {
        source.readRow(region.left, region.top + y, region.width, pixels)
        putOnWhite(pixels)
        narrow(pixels, columns, row)
        var i = open
        while (i < height && rows.first[i] <= y) {
            add(row, rows.weight(i, y), sums, i * row.size)
            if (rows.last[i] == y) {
                finish(sums, i * row.size, rows.sums[i], columns, result)
                open = i + 1
            }
            i++
        }
    }
    return result
}

/** Makes sure that twice the largest sum of products, and its rounding, stay below 2^63. */
private fun checkRange(columns: Triangles, rows: Triangles) {
    val widest = columns.sums.maxOrNull() ?: 0
    val highest = rows.sums.maxOrNull() ?: 0
    if (highest > 0 && widest > Long.MAX_VALUE / 511 / highest) {
        throw ImageException(
            "the photo is too large for so small an input: its sums would leave 64 bits"
        )
    }
}

/** Composes straight alpha on white: `(c a + 255 (255 - a) + 127) / 255`. */
internal fun putOnWhite(pixels: IntArray) {
    for (x in pixels.indices) {
        val argb = pixels[x]
        val alpha = argb ushr 24
        if (alpha == 255) continue
        val white = 255 * (255 - alpha) + 127
        val red = ((argb ushr 16 and 255) * alpha + white) / 255
        val green = ((argb ushr 8 and 255) * alpha + white) / 255
        val blue = ((argb and 255) * alpha + white) / 255
        pixels[x] = (0xff shl 24) or (red shl 16) or (green shl 8) or blue
    }
}

private fun narrow(pixels: IntArray, columns: Triangles, into: LongArray) {
    val weights = columns.weights
    for (j in columns.first.indices) {
        var red = 0L
        var green = 0L
        var blue = 0L
        var at = columns.starts[j]
        for (x in columns.first[j]..columns.last[j]) {
            val weight = weights[at++].toLong()
            val rgb = pixels[x]
            red += weight * (rgb ushr 16 and 255)
            green += weight * (rgb ushr 8 and 255)
            blue += weight * (rgb and 255)
        }
        into[3 * j] = red
        into[3 * j + 1] = green
        into[3 * j + 2] = blue
    }
}

private fun add(row: LongArray, weight: Int, sums: LongArray, start: Int) {
    for (index in row.indices) sums[start + index] += weight * row[index]
}

/** Divides a finished row, halves upwards: `(2 N + D) / (2 D)`. */
private fun finish(
    sums: LongArray,
    start: Int,
    rowSum: Long,
    columns: Triangles,
    result: ByteArray,
) {
    for (j in columns.sums.indices) {
        val divisor = rowSum * columns.sums[j]
        for (index in start + 3 * j until start + 3 * j + 3) {
            result[index] = ((2 * sums[index] + divisor) / (2 * divisor)).toByte()
        }
    }
}
