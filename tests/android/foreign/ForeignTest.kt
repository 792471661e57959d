package com.example.foreign

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ImageFormat
import android.graphics.Matrix
import android.graphics.Rect
import android.media.Image
import best
import dev.mobiledeploy.android.MobileDeploy
import dev.mobiledeploy.android.pixels
import dev.mobiledeploy.core.BundleException
import dev.mobiledeploy.core.ImageException
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.YuvPixels
import dev.mobiledeploy.core.YuvPlane
import dev.mobiledeploy.engines.OrtEngine
import java.io.File
import java.nio.ByteBuffer
import labelOf
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.GraphicsMode

/** An app of somebody else: the library as an AAR, and the code of docs/android.md. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ForeignTest {
    private val context = RuntimeEnvironment.getApplication()
    private val photos = File(System.getProperty("mobiledeploy.photos")!!)

    /** What Python says of each PNG: the label of the likeliest class. */
    private val expected: Map<String, String> =
        File(photos, "expected.tsv")
            .readLines()
            .map { it.split('\t') }
            .filter { (file, engine) -> engine == "LiteRT" && file.endsWith(".png") }
            .associate { it[0] to it[2].substringBeforeLast(' ') }

    private fun bitmap(name: String): Bitmap {
        val options = BitmapFactory.Options().apply { inPremultiplied = false }
        return BitmapFactory.decodeFile(File(photos, name).path, options)
    }

    /** The bitmap as a sensor stores it that must be turned clockwise by so many degrees. */
    private fun Bitmap.turnedBack(degrees: Int): Bitmap {
        val matrix = Matrix().apply { postRotate(-degrees.toFloat()) }
        return Bitmap.createBitmap(this, 0, 0, width, height, matrix, false)
    }

    @Test
    fun photosGetPythonsAnswerHoweverTheyAreHeld() {
        assertTrue("${expected.size} photos", expected.size >= 3)
        assertTrue(expected.values.toSet().size >= 2)
        for ((name, label) in expected) {
            assertEquals(name, label, labelOf(context, bitmap(name), 0))
        }
        val name = "upright.png"
        for (degrees in listOf(90, 180, 270, -90)) {
            val turned = bitmap(name).turnedBack(degrees)
            assertEquals("$degrees", expected.getValue(name), labelOf(context, turned, degrees))
        }
    }

    @Test
    fun aCamerasFrameIsReadByItsStridesInsideItsCrop() {
        val photo = bitmap("upright.png")
        MobileDeploy.open(context).use { model ->
            for (degrees in listOf(0, 90, 180, 270)) {
                val frame = Frame(photo.turnedBack(degrees))
                assertEquals("$degrees", expected.getValue("upright.png"), best(model, frame, degrees).label)
            }
            val frame = Frame(photo)
            val scores = model.classify(frame, 0).best
            val same = YuvPixels(photo.width, photo.height, frame.y, frame.u, frame.v, 2, 1)
            assertEquals(scores, model.classify(same, Orientation.UPRIGHT).best)
            assertNotEquals(scores, model.classify(frame, 90).best)
        }
        val row = IntArray(photo.width)
        Frame(photo).pixels().readRow(0, 5, photo.width, row)
        val stored = IntArray(photo.width).also { photo.getPixels(it, 0, it.size, 0, 5, it.size, 1) }
        assertArrayEquals(stored.map { it and 255 }.toIntArray(), row.map { it and 255 }.toIntArray())
    }

    @Test
    fun whatCannotBeUsedIsRefusedInWords() {
        MobileDeploy.open(context).use { model ->
            assertEquals(10, model.labels.size)
            assertTrue(model.title, model.title.startsWith("LiteRT"))
            val turned = assertThrows(ImageException::class.java) { model.classify(bitmap("upright.png"), 45) }
            assertEquals("expected a multiple of 90 degrees, received 45", turned.message)
            val jpeg = Frame(bitmap("upright.png"), ImageFormat.JPEG)
            val format = assertThrows(ImageException::class.java) { model.classify(jpeg) }
            assertTrue(format.message, "YUV_420_888" in format.message)
            assertThrows(BundleException::class.java) { model.selfTest() }
        }
        val other = assertThrows(BundleException::class.java) { MobileDeploy.open(context, OrtEngine.Factory) }
        assertTrue(other.message, other.message.startsWith("model.onnx: missing"))
        val empty = assertThrows(BundleException::class.java) { MobileDeploy.open(context, folder = "nowhere") }
        assertTrue(empty.message, "mobiledeploy bundle" in empty.message)
    }
}

/** A grey picture as a camera gives it: interleaved colours, padded rows, and a border of 2 x 1. */
private class Frame(photo: Bitmap, private val kind: Int = ImageFormat.YUV_420_888) : Image() {
    private val wide = photo.width + 4
    private val high = photo.height + 2
    val y: YuvPlane
    val u: YuvPlane
    val v: YuvPlane

    init {
        val stride = wide + 7
        val bytes = ByteArray(stride * high) { -1 }
        for (row in 0 until photo.height) for (column in 0 until photo.width) {
            bytes[(row + 1) * stride + column + 2] = (photo.getPixel(column, row) and 255).toByte()
        }
        y = YuvPlane(bytes, stride, 1)
        val colours = ByteArray(((high + 1) / 2) * stride) { -128 }
        u = YuvPlane(colours, stride, 2)
        v = YuvPlane(colours, stride, 2)
        mIsImageValid = true
        setCropRect(Rect(2, 1, 2 + photo.width, 1 + photo.height))
    }

    override fun getFormat(): Int = kind

    override fun getWidth(): Int = wide

    override fun getHeight(): Int = high

    override fun getTimestamp(): Long = 0

    override fun getTransform(): Int = 0

    override fun getScalingMode(): Int = 0

    override fun getPlanes(): Array<Image.Plane> =
        listOf(y, u, v)
            .map { plane ->
                object : Image.Plane() {
                    override fun getRowStride(): Int = plane.rowStride

                    override fun getPixelStride(): Int = plane.pixelStride

                    override fun getBuffer(): ByteBuffer = ByteBuffer.wrap(plane.bytes)
                }
            }
            .toTypedArray()

    override fun close() = Unit
}
