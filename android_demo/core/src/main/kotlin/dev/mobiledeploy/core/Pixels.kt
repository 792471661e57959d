package dev.mobiledeploy.core

/**
 * A small upright RGB image, 8 bits a channel: what the network sees.
 *
 * @property width pixels a row.
 * @property height rows.
 */
public class Pixels(public val width: Int, public val height: Int, private val rgb: ByteArray) {
    init {
        require(rgb.size.toLong() == 3L * width * height) {
            "expected 3 x $width x $height bytes, received ${rgb.size}"
        }
    }

    /** Number of values: three a pixel. */
    public val size: Int
        get() = rgb.size

    /** The value at [index], 0..255: rows from the top, R G B interleaved. */
    public operator fun get(index: Int): Int = rgb[index].toInt() and 0xff

    /** SHA-256 of the values, 64 hexadecimal digits. */
    public fun sha256(): String = sha256Of(rgb)
}
