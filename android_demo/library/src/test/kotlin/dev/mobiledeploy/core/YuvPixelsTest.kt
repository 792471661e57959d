package dev.mobiledeploy.core

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.roundToInt
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class YuvPixelsTest {
    /** Codes with their RGB, computed by hand from the definition. */
    @Test
    fun theIntegersAreThoseOfTheDefinition() {
        val cases =
            listOf(
                listOf(0, 128, 128, 0, 0, 0),
                listOf(255, 128, 128, 255, 255, 255),
                listOf(119, 128, 128, 119, 119, 119),
                // (91881 * 127 + 32768) >> 16 = 178; (-46802 * 127 + 32768) >> 16 = -91
                listOf(76, 128, 255, 254, 0, 76),
                // (116130 * 127 + 32768) >> 16 = 225; (-22554 * 127 + 32768) >> 16 = -44
                listOf(29, 255, 128, 29, 0, 254),
                // Rounding down of negative sums: (-91881 + 32768) >> 16 = -1
                listOf(100, 127, 127, 99, 101, 98),
                listOf(200, 0, 0, 21, 255, 0),
                listOf(200, 255, 255, 255, 66, 255),
            )
        for ((y, u, v, r, g, b) in cases.map(::Case)) {
            val pixel = IntArray(1)
            frame(1, 1, { _, _ -> y }, { _, _ -> u }, { _, _ -> v }).readRow(0, 0, 1, pixel)
            val argb = (0xff shl 24) or (r shl 16) or (g shl 8) or b
            assertEquals("$y $u $v", hex(argb), hex(pixel[0]))
        }
    }

    @Test
    fun everyCodeIsWithinOneLevelOfRealNumbers() {
        val pixel = IntArray(1)
        for (y in 0..255 step 5) for (u in 0..255 step 5) for (v in 0..255 step 5) {
            frame(1, 1, { _, _ -> y }, { _, _ -> u }, { _, _ -> v }).readRow(0, 0, 1, pixel)
            val exact =
                listOf(
                    y + 1.402 * (v - 128),
                    y - 0.344136 * (u - 128) - 0.714136 * (v - 128),
                    y + 1.772 * (u - 128),
                )
            val given = listOf(16, 8, 0).map { pixel[0] ushr it and 255 }
            for ((real, integer) in exact.zip(given)) assertTrue(
                "$y $u $v: $real, $integer",
                abs(real.roundToInt().coerceIn(0, 255) - integer) <= 1,
            )
        }
    }

    @Test
    fun stridesAndPixelStridesChangeNothing() {
        val expected = read(pattern(7, 5, 7, 1, 4, 1))
        for ((yRow, yPixel) in listOf(7 to 1, 16 to 1, 14 to 2, 20 to 2)) {
            for ((cRow, cPixel) in listOf(4 to 1, 9 to 1, 8 to 2, 16 to 2)) {
                val what = "Y $yRow/$yPixel, UV $cRow/$cPixel"
                assertArrayEquals(what, expected, read(pattern(7, 5, yRow, yPixel, cRow, cPixel)))
            }
        }
    }

    @Test
    fun uAndVMayShareTheirMemoryAndEndWithTheirLastSample() {
        // NV21: V U V U ...; the planes overlap, and the later one lacks the last byte.
        val memory = ByteArray(2 * 4 * 3) { (it * 37 + 11).toByte() }
        val v = YuvPlane(memory.copyOfRange(0, memory.size - 1), 8, 2)
        val u = YuvPlane(memory.copyOfRange(1, memory.size), 8, 2)
        val y = YuvPlane(ByteArray(8 * 6) { (it * 5).toByte() }, 8, 1)
        val pixels = read(YuvPixels(8, 6, y, u, v))
        val separate =
            YuvPixels(
                8,
                6,
                y,
                YuvPlane(ByteArray(12) { memory[2 * it + 1] }, 4, 1),
                YuvPlane(ByteArray(12) { memory[2 * it] }, 4, 1),
            )
        assertArrayEquals(read(separate), pixels)
    }

    @Test
    fun aPartOfTheFrameIsThatPart() {
        val whole = pattern(9, 8, 12, 1, 12, 2)
        val part = pattern(5, 4, 12, 1, 12, 2, left = 3, top = 3, planes = 9 to 8)
        val row = IntArray(9)
        val cut = IntArray(5)
        for (y in 0 until 4) {
            whole.readRow(0, y + 3, 9, row)
            part.readRow(0, y, 5, cut)
            assertArrayEquals("row $y", row.copyOfRange(3, 8), cut)
        }
    }

    @Test
    fun aPartOfARowIsThatPart() {
        val frame = pattern(9, 4, 9, 1, 5, 1)
        val row = IntArray(9)
        frame.readRow(0, 2, 9, row)
        for (x in 0..8) for (count in 1..9 - x) {
            val part = IntArray(count)
            frame.readRow(x, 2, count, part)
            assertArrayEquals("$x, $count", row.copyOfRange(x, x + count), part)
        }
    }

    @Test
    fun planesThatAreTooSmallAreRefused() {
        val y = YuvPlane(ByteArray(16), 4, 1)
        val c = YuvPlane(ByteArray(4), 2, 1)
        YuvPixels(4, 4, y, c, c)
        for (wrong in
            listOf<() -> Unit>(
                { YuvPixels(4, 4, YuvPlane(ByteArray(15), 4, 1), c, c) },
                { YuvPixels(4, 4, YuvPlane(ByteArray(99), 3, 1), c, c) },
                { YuvPixels(4, 4, YuvPlane(ByteArray(99), 4, 0), c, c) },
                { YuvPixels(4, 4, y, YuvPlane(ByteArray(3), 2, 1), c) },
                { YuvPixels(4, 4, y, c, YuvPlane(ByteArray(4), 2, 2)) },
                { YuvPixels(5, 4, y, c, c) },
                { YuvPixels(0, 4, y, c, c) },
                { YuvPixels(4, 4, y, c, c, left = 1) },
                { YuvPixels(4, 4, y, c, c, top = -1) },
            )) assertThrows(ImageException::class.java) { wrong() }
    }

    @Test
    fun aCopyKeepsTheCamerasBufferAsItWas() {
        val buffer = ByteBuffer.allocateDirect(10)
        for (index in 0 until 10) buffer.put(index, index.toByte())
        (buffer as java.nio.Buffer).position(2)
        val first = YuvPlane.copy(buffer, 4, 1)
        assertArrayEquals(ByteArray(8) { (it + 2).toByte() }, first.bytes)
        assertEquals(2, buffer.position())
        assertSame(first.bytes, YuvPlane.copy(buffer, 4, 1, reused = first).bytes)
        (buffer as java.nio.Buffer).position(3)
        assertEquals(7, YuvPlane.copy(buffer, 4, 1, reused = first).bytes.size)
    }

    /** A frame of a held phone gives the network what the turned frame gives it, bit for bit. */
    @Test
    fun turningBeforeAndAfterAreTheSame() {
        val frame = pattern(40, 30, 48, 1, 48, 2)
        val preprocessor = Preprocessor(Fakes.contract())
        val corner = IntArray(1)
        for ((degrees, place) in
            listOf(0 to (0 to 0), 90 to (0 to 29), 180 to (39 to 29), 270 to (39 to 0))) {
            val orientation = Orientation.ofRotation(degrees)
            val turned = uprightCopy(frame, orientation)
            assertEquals(if (degrees % 180 == 0) 40 else 30, turned.width)
            // The top left corner of the upright picture, where it is in the stored one.
            turned.readRow(0, 0, 1, corner)
            val stored = IntArray(1)
            frame.readRow(place.first, place.second, 1, stored)
            assertEquals("$degrees", hex(stored[0]), hex(corner[0]))
            assertEquals(
                "$degrees",
                preprocessor.pixels(turned).sha256(),
                preprocessor.pixels(frame, orientation).sha256(),
            )
        }
        assertEquals(Orientation.TURNED_RIGHT, Orientation.ofRotation(-90))
        assertEquals(Orientation.UPRIGHT, Orientation.ofRotation(720))
        assertThrows(ImageException::class.java) { Orientation.ofRotation(45) }
    }

    @Test
    fun anUprightCopyUndoesEveryOrientationOfAPhoto() {
        val card = TestCard(23, 17)
        val preprocessor = Preprocessor(Fakes.contract())
        for (orientation in Orientation.values()) assertEquals(
            "$orientation",
            preprocessor.pixels(uprightCopy(card, orientation)).sha256(),
            preprocessor.pixels(card, orientation).sha256(),
        )
    }

    private class Case(private val values: List<Int>) {
        operator fun component1() = values[0]

        operator fun component2() = values[1]

        operator fun component3() = values[2]

        operator fun component4() = values[3]

        operator fun component5() = values[4]

        operator fun component6() = values[5]
    }

    private fun hex(argb: Int): String = Integer.toHexString(argb)

    private fun read(frame: YuvPixels): IntArray {
        val all = IntArray(frame.width * frame.height)
        val row = IntArray(frame.width)
        for (y in 0 until frame.height) {
            frame.readRow(0, y, frame.width, row)
            row.copyInto(all, y * frame.width)
        }
        return all
    }

    private fun frame(
        width: Int,
        height: Int,
        y: (Int, Int) -> Int,
        u: (Int, Int) -> Int,
        v: (Int, Int) -> Int,
    ): YuvPixels {
        val columns = (width + 1) / 2
        val rows = (height + 1) / 2
        return YuvPixels(
            width,
            height,
            plane(width, height, width, 1, y),
            plane(columns, rows, columns, 1, u),
            plane(columns, rows, columns, 1, v),
        )
    }

    /** A frame of which every pixel differs from its neighbours. */
    private fun pattern(
        width: Int,
        height: Int,
        yRow: Int,
        yPixel: Int,
        cRow: Int,
        cPixel: Int,
        left: Int = 0,
        top: Int = 0,
        planes: Pair<Int, Int> = width to height,
    ): YuvPixels {
        val (columns, rows) = planes
        val y = plane(columns, rows, yRow, yPixel) { x, row -> 37 * row + 91 * x }
        fun chroma(seed: Int) =
            plane((columns + 1) / 2, (rows + 1) / 2, cRow, cPixel) { x, row ->
                seed + 53 * x + 29 * row
            }
        return YuvPixels(width, height, y, chroma(7), chroma(120), left, top)
    }

    /** What lies between the samples is noise. */
    private fun plane(
        width: Int,
        height: Int,
        rowStride: Int,
        pixelStride: Int,
        value: (Int, Int) -> Int,
    ): YuvPlane {
        val size = (height - 1) * rowStride + (width - 1) * pixelStride + 1
        val bytes = ByteArray(size) { (it * 101 + 17).toByte() }
        for (y in 0 until height) for (x in 0 until width) {
            bytes[y * rowStride + x * pixelStride] = value(x, y).toByte()
        }
        return YuvPlane(bytes, rowStride, pixelStride)
    }
}
