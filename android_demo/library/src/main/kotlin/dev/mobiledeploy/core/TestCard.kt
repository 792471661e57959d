package dev.mobiledeploy.core

/**
 * A photo made by a formula, 500 x 375: every phone can check its own crop and resize with it.
 *
 * `pixel(y, x, c) = (37 y + 91 x + 53 c + x y (c + 1)) mod 256`, c = 0, 1, 2 for R, G, B.
 */
public class TestCard(override val width: Int = 500, override val height: Int = 375) : PixelSource {
    override fun readRow(x: Int, y: Int, count: Int, into: IntArray) {
        for (i in 0 until count) {
            val column = x + i
            var rgb = 0xff
            for (c in 0..2) rgb =
                (rgb shl 8) or ((37 * y + 91 * column + 53 * c + column * y * (c + 1)) and 0xff)
            into[i] = rgb
        }
    }
}
