package dev.mobiledeploy.core

import java.lang.management.ManagementFactory
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class PreprocessorTest {
    private val shared = Shared.read("preprocessing.json")
    private val resizes = Shared.read("resize.json")

    private fun preprocessor(
        size: Int,
        crop: String = "center",
        type: ElementType = ElementType.INT8,
        mean: Double = 128.0,
        std: Double = 128.0,
    ): Preprocessor {
        val preprocessing =
            Preprocessing(size, size, Crop.values().first { it.label == crop }, mean, std)
        val input = Tensor(type, listOf(1, size, size, 3), null)
        return Preprocessor(Fakes.contract().copy(preprocessing = preprocessing, input = input))
    }

    private fun bytes(buffer: ByteBuffer, littleEndian: Int = 1): ByteArray =
        ByteArray(buffer.limit()) {
            buffer.get(if (NATIVE_IS_LITTLE) it else it xor (littleEndian - 1))
        }

    @Test
    fun theResizeIsPythonsBitForBit() {
        for (case in resizes["resize"].items) {
            val (height, width) = case["source"].ints
            val (rows, columns) = case["target"].ints
            val found = resize(TestCard(width, height), Region(0, 0, width, height), columns, rows)
            assertEquals("$height x $width", case["pixels"].ints, found.map { it.toInt() and 255 })
        }
    }

    @Test
    fun wholePhotosBecomePythonsPixelsBitForBit() {
        for (case in resizes["preprocess"].items) {
            val (height, width) = case["source"].ints
            val preprocessor = preprocessor(case["image_size"].int, case["crop"].text)
            val pixels = preprocessor.pixels(TestCard(width, height))
            val what = "$height x $width, ${case["crop"].text}"
            assertEquals(what, case["first"].ints, List(3) { pixels[it] })
            assertEquals(what, case["last"].ints, List(3) { pixels[pixels.size - 3 + it] })
            assertEquals(what, case["sha256"].text, pixels.sha256())
            assertEquals(what, case["int8_sha256"].text, sha256Of(preprocessor.input(pixels)))
        }
    }

    @Test
    fun everyOrientationIsUndoneAsPythonDoes() {
        for (case in shared["orientation"].items) {
            val (height, width) = case["source"].ints
            val preprocessor = preprocessor(case["image_size"].int, case["crop"].text)
            val pixels =
                preprocessor.pixels(TestCard(width, height), Orientation.ofExif(case["exif"].int))
            val what = "$height x $width, ${case["crop"].text}, EXIF ${case["exif"].int}"
            assertEquals(what, case["first"].ints, List(3) { pixels[it] })
            assertEquals(what, case["sha256"].text, pixels.sha256())
        }
    }

    @Test
    fun greyAndOblongInputsAreMadeAsPythonDoes() {
        for (case in shared["other_shapes"].items) {
            val (height, width) = case["source"].ints
            val colour = Colour.values().first { it.label == case["colour"].text }
            val crop = Crop.values().first { it.label == case["crop"].text }
            val (rows, columns) = listOf(case["image_size"].int, case["image_width"].int)
            val preprocessing = Preprocessing(rows, columns, crop, 128.0, 128.0, colour)
            val shape = listOf(1, rows, columns, colour.channels)
            val input = Tensor(ElementType.INT8, shape, null)
            val contract = Fakes.contract().copy(preprocessing = preprocessing, input = input)
            val pixels =
                Preprocessor(contract)
                    .pixels(TestCard(width, height), Orientation.ofExif(case["exif"].int))
            assertEquals(case.write(), case["sha256"].text, pixels.sha256())
        }
    }

    @Test
    fun transparencyIsComposedOnWhiteAsPythonDoes() {
        val argb =
            IntArray(256 * 256) {
                val alpha = it / 256
                val value = it % 256
                (alpha shl 24) or (value shl 16) or (255 - value shl 8) or (value * 7 and 255)
            }
        val case = shared["alpha"][0]
        val pixels = preprocessor(case["image_size"].int).pixels(ArgbPixels(256, 256, argb))
        assertEquals(case["sha256"].text, pixels.sha256())
    }

    @Test
    fun inputsAreEncodedAsPythonDoes() {
        val pixels = Pixels(16, 16, ByteArray(768) { (it * 7).toByte() })
        for (case in shared["input"].items) {
            val type = ElementType.values().first { it.label == case["dtype"].text }
            val encoder = preprocessor(16, "center", type, case["mean"].double, case["std"].double)
            val found = bytes(encoder.input(pixels), type.bytes)
            assertEquals(case.write(), case["first"].text, toHex(found.copyOf(4 * type.bytes)))
            assertEquals(case.write(), case["sha256"].text, sha256Of(found))
        }
    }

    @Test
    fun theTestCardGivesPythonsBits() {
        for (case in shared["test_card"].items) {
            val pixels = preprocessor(case["image_size"].int, case["crop"].text).pixels(TestCard())
            assertEquals(case.write(), case["sha256"].text, pixels.sha256())
        }
    }

    @Test
    fun aPhotoOfTheNetworksSizeStaysAsItIs() {
        val card = TestCard(96, 96)
        val pixels = preprocessor(96).pixels(card)
        val row = IntArray(96)
        for (y in 0 until 96) {
            card.readRow(0, y, 96, row)
            for (x in 0 until 96) {
                val at = 3 * (96 * y + x)
                assertEquals(
                    row[x] and 0xffffff,
                    (pixels[at] shl 16) or (pixels[at + 1] shl 8) or pixels[at + 2],
                )
            }
        }
    }

    @Test
    fun whiteStaysWhiteAndBlackBlackAtTheLargestSizes() {
        for ((width, height) in listOf(65_535 to 1, 1 to 65_535, 65_535 to 40, 4000 to 3000)) {
            for (value in listOf(0, 255)) {
                val plain = Plain(width, height, 0x010101 * value or (0xff shl 24))
                val pixels = preprocessor(16, "stretch").pixels(plain)
                assertTrue(
                    "$width x $height of $value",
                    (0 until pixels.size).all { pixels[it] == value },
                )
            }
        }
    }

    @Test
    fun sizesThatPythonRefusesAreRefused() {
        for ((width, height) in
            listOf(
                0 to 5,
                5 to 0,
                -1 to 5,
                65_536 to 1,
                1 to 65_536,
                20_000 to 20_000,
                Int.MAX_VALUE to Int.MAX_VALUE,
            )) {
            val error =
                assertThrows(ImageException::class.java) {
                    preprocessor(96).pixels(Plain(width, height, 0))
                }
            assertTrue(error.message, error.message.contains("received $width x $height"))
        }
    }

    @Test
    fun sumsThatWouldLeave64BitsAreRefused() {
        val photo = Plain(65_535, 65_535, 0)
        assertThrows(ImageException::class.java) {
            resize(photo, Region(0, 0, 65_535, 65_535), 1, 1)
        }
    }

    @Test
    fun twelveMegapixelsTakeWellUnderASecond() {
        val photo = Plain(4000, 3000, 0x7f123456)
        val preprocessor = preprocessor(224)
        val clock = ManagementFactory.getThreadMXBean() // Of this thread alone: others may be busy.
        val millis =
            (1..4).minOf {
                val start = clock.currentThreadCpuTime
                preprocessor.pixels(photo, Orientation.TURNED_LEFT)
                (clock.currentThreadCpuTime - start) / 1_000_000
            }
        println("4000 x 3000 to 224 x 224: $millis ms")
        assertTrue("$millis ms", millis < 1000)
    }

    /** A photo of one colour that takes no memory. */
    private class Plain(override val width: Int, override val height: Int, private val argb: Int) :
        PixelSource {
        override fun readRow(x: Int, y: Int, count: Int, into: IntArray) = into.fill(argb, 0, count)
    }

    private companion object {
        val NATIVE_IS_LITTLE = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
    }
}
