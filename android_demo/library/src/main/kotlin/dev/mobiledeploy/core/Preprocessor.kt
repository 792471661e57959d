package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val MAX_SIDE = 65_535
private const val MAX_PIXELS = 1L shl 27

/** From a decoded photo to a model's input, bit for bit as `docs/preprocessing.md` defines it. */
public class Preprocessor(contract: Contract) {
    private val preprocessing = contract.preprocessing
    private val type = contract.input.type
    private val count = contract.input.shape.drop(1).fold(1, Int::times)
    private val floats = FloatArray(256) { contract.inputValue(it).toFloat() }

    /**
     * Crops and resizes a photo to the network's size.
     *
     * @param source the photo as stored.
     * @param orientation how the camera was held.
     * @throws ImageException the photo is empty, or larger than 65,535 pixels a side or 134,217,728
     *   in all; or the network takes no photos.
     */
    public fun pixels(source: PixelSource, orientation: Orientation = Orientation.UPRIGHT): Pixels {
        val width = source.width
        val height = source.height
        if (
            width !in 1..MAX_SIDE || height !in 1..MAX_SIDE || width.toLong() * height > MAX_PIXELS
        ) {
            throw ImageException(
                "expected a photo of up to $MAX_PIXELS pixels and $MAX_SIDE a side, " +
                    "received $width x $height"
            )
        }
        val wanted = preprocessing ?: throw ImageException("this network takes no photos")
        val region = storedRegion(width, height, wanted, orientation)
        val turned = orientation.transposed
        val columns = if (turned) wanted.height else wanted.width
        val rows = if (turned) wanted.width else wanted.height
        val rgb = upright(resize(source, region, columns, rows), columns, rows, orientation)
        val grey = wanted.colour == Colour.GREY
        val values = if (grey) greyOf(rgb) else rgb
        return Pixels(wanted.width, wanted.height, values, wanted.colour.channels)
    }

    /**
     * Encodes pixels as the input of the models.
     *
     * @param pixels of the network's size.
     * @return direct, native byte order, from index 0 to the limit: one image, NHWC.
     */
    public fun input(pixels: Pixels): ByteBuffer {
        require(pixels.size == count) { "expected $count values, received ${pixels.size}" }
        val input =
            ByteBuffer.allocateDirect(pixels.size * type.bytes).order(ByteOrder.nativeOrder())
        for (index in 0 until pixels.size) {
            when (type) {
                ElementType.INT8 -> input.put(index, (pixels[index] - 128).toByte())
                ElementType.UINT8 -> input.put(index, pixels[index].toByte())
                ElementType.FLOAT32 -> input.putFloat(4 * index, floats[pixels[index]])
            }
        }
        return input
    }
}

/** The real value of a pixel or, where the input is no photo, of an int8 code plus 128. */
private fun Contract.inputValue(pixel: Int): Double {
    preprocessing?.let {
        return (pixel - it.mean) / it.std
    }
    val grid = input.grid ?: return pixel.toDouble()
    return (pixel - 128 - grid.zeroPoint) * grid.scale
}

/** The brightness of each pixel. The factors add up to 65,536: grey keeps its value. */
private fun greyOf(rgb: ByteArray): ByteArray =
    ByteArray(rgb.size / 3) {
        val red = rgb[3 * it].toInt() and 255
        val green = rgb[3 * it + 1].toInt() and 255
        val blue = rgb[3 * it + 2].toInt() and 255
        (19595 * red + 38470 * green + 7471 * blue + 32768 shr 16).toByte()
    }

/**
 * Whether this phone's crop and resize give the bits that the contract names, on the [TestCard].
 */
public fun Contract.resizeHolds(): Boolean =
    preprocessing == null || Preprocessor(this).pixels(TestCard()).sha256() == resizeCheck
