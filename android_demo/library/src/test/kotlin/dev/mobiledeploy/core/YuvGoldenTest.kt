package dev.mobiledeploy.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

/** Frames of `tests/golden/yuv.json`, whose RGB NumPy computes. */
class YuvGoldenTest {
    private fun hex(json: Json): ByteArray =
        json.text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    private fun plane(json: Json): YuvPlane =
        YuvPlane(hex(json["bytes"]), json["row_stride"].int, json["pixel_stride"].int)

    @Test
    fun pixelsAreThoseThatNumPyComputesWhateverTheStrides() {
        val cases = Shared.read("yuv.json")["cases"].items
        assertEquals(3, cases.size)
        for (case in cases) {
            val (y, u, v) = case["planes"].items.map(::plane)
            val width = case["width"].int
            val height = case["height"].int
            val frame = YuvPixels(width, height, y, u, v, case["left"].int, case["top"].int)
            val rgb = hex(case["rgb"])
            val row = IntArray(width)
            for (line in 0 until height) {
                frame.readRow(0, line, width, row)
                val expected =
                    IntArray(width) { column ->
                        val at = 3 * (line * width + column)
                        List(3) { rgb[at + it].toInt() and 255 }.fold(255) { all, c -> all shl 8 or c }
                    }
                assertArrayEquals(expected, row)
            }
        }
    }
}
