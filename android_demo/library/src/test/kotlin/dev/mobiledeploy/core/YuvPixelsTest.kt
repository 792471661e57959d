package dev.mobiledeploy.core

import java.nio.ByteBuffer
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class YuvPixelsTest {
    private fun hex(json: Json): ByteArray =
        json.text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    private fun plane(json: Json): YuvPlane =
        YuvPlane(ByteBuffer.wrap(hex(json["bytes"])), json["row_stride"].int, json["pixel_stride"].int)

    private fun rows(source: PixelSource): List<IntArray> =
        List(source.height) { y -> IntArray(source.width).also { source.readRow(0, y, source.width, it) } }

    @Test
    fun `pixels are those that NumPy computes, whatever the strides`() {
        val cases = Shared.read("yuv.json")["cases"].items
        assertEquals(3, cases.size)
        for (case in cases) {
            val (y, u, v) = case["planes"].items.map(::plane)
            val image =
                YuvPixels(y, u, v, case["width"].int, case["height"].int, case["left"].int, case["top"].int)
            val rgb = hex(case["rgb"])
            val expected =
                List(image.height) { row ->
                    IntArray(image.width) { column ->
                        val at = 3 * (row * image.width + column)
                        List(3) { rgb[at + it].toInt() and 255 }.fold(255) { sum, c -> sum shl 8 or c }
                    }
                }
            rows(image).zip(expected).forEach { (got, want) -> assertArrayEquals(want, got) }
        }
    }

    @Test
    fun `a part of a row is the same as in the whole row`() {
        val grey = YuvPlane(ByteBuffer.wrap(ByteArray(8 * 2) { it.toByte() }), 8, 1)
        val colour = YuvPlane(ByteBuffer.wrap(byteArrayOf(0, 100, -100, -1)), 4, 1)
        val image = YuvPixels(grey, colour, colour, 8, 2)
        val part = IntArray(3)
        image.readRow(3, 1, 3, part)
        assertArrayEquals(rows(image)[1].copyOfRange(3, 6), part)
    }

    @Test
    fun `the position of a buffer does not matter`() {
        fun plane(): YuvPlane = YuvPlane(ByteBuffer.wrap(ByteArray(16) { (9 * it).toByte() }), 4, 1)
        val read = plane().also { it.bytes.position(7) }
        val colour = YuvPlane(ByteBuffer.wrap(ByteArray(4) { -128 }), 2, 1)
        val first = rows(YuvPixels(plane(), colour, colour, 4, 4))
        rows(YuvPixels(read, colour, colour, 4, 4)).zip(first).forEach { (a, b) -> assertArrayEquals(b, a) }
    }

    @Test
    fun `planes that are too short are refused by name`() {
        fun plane(size: Int, stride: Int): YuvPlane = YuvPlane(ByteBuffer.allocate(size), stride, 1)
        YuvPixels(plane(24, 6), plane(6, 3), plane(6, 3), 6, 4)
        for ((planes, name) in
            listOf(
                Triple(plane(23, 6), plane(6, 3), plane(6, 3)) to "Y",
                Triple(plane(24, 6), plane(5, 3), plane(6, 3)) to "U",
                Triple(plane(24, 6), plane(6, 3), plane(6, 0)) to "V",
            )) {
            val (y, u, v) = planes
            val error = assertThrows(ImageException::class.java) { YuvPixels(y, u, v, 6, 4) }
            assertTrue(error.message, "in plane $name" in error.message)
        }
        assertThrows(ImageException::class.java) { YuvPixels(plane(9, 3), plane(4, 2), plane(4, 2), 0, 3) }
    }

    @Test
    fun `rotations are those of CameraX, clockwise to upright`() {
        // Stored: a b c over d e f. Turned clockwise by 90 degrees: d a, e b, f c.
        val stored = ArgbPixels(3, 2, IntArray(6) { 255 shl 24 or 0x010101 * (40 * it) })
        val turned =
            mapOf(
                0 to listOf(0, 1, 2, 3, 4, 5),
                90 to listOf(3, 0, 4, 1, 5, 2),
                180 to listOf(5, 4, 3, 2, 1, 0),
                270 to listOf(2, 5, 1, 4, 0, 3),
            )
        for ((degrees, order) in turned) {
            val upright = degrees % 180 == 0
            val wanted =
                Preprocessing(
                    height = if (upright) 2 else 3,
                    width = if (upright) 3 else 2,
                    crop = Crop.STRETCH,
                    mean = 0.0,
                    std = 1.0,
                )
            val contract = Fakes.contract().copy(preprocessing = wanted)
            for (turns in listOf(degrees, degrees - 360, degrees + 720)) {
                val pixels = Preprocessor(contract).pixels(stored, Orientation.ofRotation(turns))
                assertEquals(order.map { 40 * it }, List(6) { pixels[3 * it] })
            }
        }
        for (degrees in listOf(1, 45, -89, 100)) {
            assertThrows(ImageException::class.java) { Orientation.ofRotation(degrees) }
        }
    }
}
