package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val MAX_SIDE = 65_535
private const val MAX_PIXELS = 1L shl 27

/** From a decoded photo to a model's input, bit for bit as `docs/preprocessing.md` defines it. */
public class Preprocessor(contract: Contract) {
    private val preprocessing = contract.preprocessing
    private val type = contract.input.type
    private val floats =
        FloatArray(256) { ((it - preprocessing.mean) / preprocessing.std).toFloat() }

    /**
     * Crops and resizes a photo to the network's size.
     *
     * @param source the photo as stored.
     * @param orientation how the camera was held.
     * @throws ImageException the photo is empty, or larger than 65,535 pixels a side or 134,217,728
     *   in all.
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
        val size = preprocessing.imageSize
        val region = storedRegion(width, height, preprocessing.crop, orientation)
        return Pixels(size, size, upright(resize(source, region, size, size), size, orientation))
    }

    /**
     * Encodes pixels as the input of the models.
     *
     * @param pixels of the network's size.
     * @return direct, native byte order, from index 0 to the limit: one image, NHWC.
     */
    public fun input(pixels: Pixels): ByteBuffer {
        val size = preprocessing.imageSize
        require(pixels.width == size && pixels.height == size) {
            "expected $size x $size pixels, received ${pixels.width} x ${pixels.height}"
        }
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

/**
 * Whether this phone's crop and resize give the bits that the contract names, on the [TestCard].
 */
public fun Contract.resizeHolds(): Boolean =
    Preprocessor(this).pixels(TestCard()).sha256() == resizeCheck
