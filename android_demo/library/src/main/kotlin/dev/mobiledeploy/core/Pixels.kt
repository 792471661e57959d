package dev.mobiledeploy.core

/**
 * A small upright image, 8 bits a channel: what the network sees. Of an input that is no photo, its
 * int8 codes plus 128 as one row.
 *
 * @property width pixels a row.
 * @property height rows.
 * @property channels values a pixel.
 */
public class Pixels(
    public val width: Int,
    public val height: Int,
    private val values: ByteArray,
    public val channels: Int = 3,
) {
    init {
        require(values.size.toLong() == channels.toLong() * width * height) {
            "expected $channels x $width x $height bytes, received ${values.size}"
        }
    }

    /** Number of values. */
    public val size: Int
        get() = values.size

    /** The value at [index], 0..255: rows from the top, channels interleaved. */
    public operator fun get(index: Int): Int = values[index].toInt() and 0xff

    /** SHA-256 of the values, 64 hexadecimal digits. */
    public fun sha256(): String = sha256Of(values)
}
