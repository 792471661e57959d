package dev.mobiledeploy.demo

import android.content.Context
import android.graphics.BitmapFactory
import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.os.Handler
import android.os.Looper
import android.util.Size
import android.view.Surface
import android.view.SurfaceView
import android.view.View
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.YuvPixels
import dev.mobiledeploy.core.YuvPlane
import dev.mobiledeploy.engines.LiteRtEngine
import dev.mobiledeploy.engines.OrtEngine
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.ShadowCameraManager
import org.robolectric.shadows.ShadowSurfaceView
import org.robolectric.shadows.StreamConfigurationMapBuilder

/** The live picture: from a camera's frame to the screen, and all that can come between. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(qualifiers = "w360dp-h740dp-port-notnight-xhdpi")
class LiveTest {
    @Test
    fun framesAreClassifiedAndAHeldOneKeepsItsAnswer() =
        live { phone, film ->
            film.frame(TestFiles.upright, 0)
            phone.await("an answer") { phone.answers().size == 5 }
            assertTrue(phone.text(R.id.latency), RATE.matches(phone.text(R.id.latency)))
            assertTrue(phone.find<View>(R.id.camera).isShown)
            assertFalse("while live", phone.find<View>(R.id.compare).isShown)
            val answers = phone.answers()
            phone.press(R.id.live)
            phone.settle()
            assertEquals("held", answers, phone.answers())
            assertNotNull(phone.photo())
            assertFalse(film.running)
            assertEquals("Live camera", phone.text(R.id.live))
            // The held frame is a photo: the other engine can be asked, and it outlives the turn.
            phone.press(R.id.engines, "ONNX Runtime")
            assertEquals(5, phone.answers().size)
            phone.configure("w740dp-h360dp-land")
            assertNotNull(phone.photo())
        }

    @Test
    fun aTurnedFrameGetsTheAnswersOfTheUprightOne() =
        live { phone, film ->
            val expected = HashMap<Int, List<String>>()
            for (degrees in listOf(0, 90, 180, 270)) {
                film.frame(TestFiles.upright, degrees)
                val count = film.given
                phone.await("frame $count") { film.classified(phone) >= count }
                expected[degrees] = phone.answers()
            }
            // Chroma is stored for blocks of 2 x 2, which turning does not tear at even sizes.
            assertEquals(1, expected.values.toSet().size)
            film.frame(TestFiles.turned, 0)
            phone.await("another answer") { phone.answers() !in expected.values }
        }

    @Test
    fun theEngineCanBeChangedWhileTheCameraRuns() =
        live { phone, film ->
            film.frame(TestFiles.upright, 0)
            phone.await("an answer") { phone.text(R.id.latency).startsWith("LiteRT") }
            phone.segments(R.id.engines)[1].performClick()
            film.frame(TestFiles.upright, 0)
            phone.await("the other engine") { phone.text(R.id.latency).startsWith("ONNX") }
            assertTrue(film.running)
        }

    @Test
    fun theCameraIsGivenBackWhenTheAppIsLeftOrAPhotoIsChosen() =
        live { phone, film ->
            phone.pause()
            assertFalse(film.running)
            phone.resume()
            assertTrue(film.running)
            phone.chooseInAHurry(TestFiles.upright)
            assertFalse(film.running)
            assertEquals(5, phone.answers().size)
            val answers = phone.answers()
            // A frame that comes late changes nothing.
            film.frame(TestFiles.turned, 0)
            phone.settle()
            assertEquals(answers, phone.answers())
        }

    @Test
    fun pausingBeforeTheFirstFrameIsSaid() =
        live { phone, film ->
            phone.press(R.id.live)
            phone.settle()
            assertEquals("No picture yet", phone.problem()?.first)
            assertFalse(film.running)
        }

    @Test
    fun everyFailureOfTheCameraHasItsWords() =
        live { phone, film ->
            for (failure in CameraFailure.values()) {
                if (phone.text(R.id.live) == "Live camera") phone.press(R.id.live)
                film.fail(failure)
                assertEquals(phone.string(failure.title), phone.problem()?.first)
                assertEquals(phone.string(failure.hint), phone.problem()?.second)
                assertEquals("Live camera", phone.text(R.id.live))
            }
            val hints = CameraFailure.values().map { it.hint }
            assertEquals(hints.size, hints.toSet().size)
        }

    @Test
    fun aFrameThatTheEngineFailsOnEndsTheFilmAndNotTheApp() {
        LiveWithThrowingEngine.error = OutOfMemoryError()
        Phone(LiveWithThrowingEngine::class.java).use { phone ->
            val film = start(phone)
            film.frame(TestFiles.upright, 0)
            phone.await("the words") { phone.problem()?.first == "Not enough memory" }
            assertFalse(film.running)
        }
    }

    @Test
    fun permissionIsAskedAndRefusalSaid() =
        Phone(Filming::class.java).use { phone ->
            phone.settle()
            phone.refuseCamera()
            phone.press(R.id.live)
            val asked = shadowOf(phone.activity).lastRequestedPermission
            assertEquals(listOf("android.permission.CAMERA"), asked.requestedPermissions.toList())
            val refused = intArrayOf(-1)
            phone.activity.onRequestPermissionsResult(
                asked.requestCode,
                asked.requestedPermissions,
                refused,
            )
            assertEquals("The camera may not be used", phone.problem()?.first)
            assertTrue(phone.problem()!!.second, phone.problem()!!.second.contains("settings"))
            phone.activity.onRequestPermissionsResult(
                asked.requestCode,
                asked.requestedPermissions,
                IntArray(0),
            )
            assertEquals("Live camera", phone.text(R.id.live))
            phone.activity.onRequestPermissionsResult(
                asked.requestCode,
                asked.requestedPermissions,
                intArrayOf(0),
            )
            assertNull(phone.problem())
            assertEquals("Pause", phone.text(R.id.live))
        }

    @Test
    fun theSmallestSizeThatIsLargeEnoughIsTaken() {
        val sizes = listOf(FrameSize(4000, 3000), FrameSize(640, 480), FrameSize(320, 240))
        assertEquals(FrameSize(640, 480), frameSize(sizes, 480))
        assertEquals(FrameSize(320, 240), frameSize(sizes, 96))
        assertEquals(FrameSize(4000, 3000), frameSize(sizes, 481))
        assertEquals(FrameSize(4000, 3000), frameSize(sizes, 5000))
        assertNull(frameSize(emptyList(), 1))
    }

    @Test
    fun framesAreTurnedByTheSensorAndTheScreen() {
        // As the documentation of SENSOR_ORIENTATION has it: most phones have 90 and 270.
        assertEquals(listOf(90, 0, 270, 180), listOf(0, 90, 180, 270).map { frameRotation(90, it, false) })
        assertEquals(listOf(270, 0, 90, 180), listOf(0, 90, 180, 270).map { frameRotation(270, it, true) })
    }

    @Test
    fun theLivePictureKeepsItsProportions() {
        assertEquals(FrameSize(480, 640), fitted(FrameSize(480, 640), 480, 1000))
        assertEquals(FrameSize(300, 400), fitted(FrameSize(480, 640), 1000, 400))
        assertEquals(FrameSize(400, 400), fitted(FrameSize(32, 32), 1000, 400))
    }

    @Test
    fun aPhoneWithoutACameraSaysSo() {
        assertEquals(CameraFailure.NO_CAMERA, Camera2().start())
    }

    @Test
    fun theCameraThatLooksAwayIsOpened() {
        val camera = Camera2()
        camera.add("0", CameraCharacteristics.LENS_FACING_FRONT, Size(640, 480))
        camera.add("1", CameraCharacteristics.LENS_FACING_BACK, Size(640, 480), Size(1920, 1080))
        assertNull(camera.start())
        assertEquals(FrameSize(640, 480) to FrameSize(480, 640), camera.previewed)
    }

    @Test
    fun aCameraWithoutAPictureFormatIsNone() {
        val camera = Camera2()
        camera.add("0", CameraCharacteristics.LENS_FACING_BACK)
        assertEquals(CameraFailure.NO_CAMERA, camera.start())
    }

    @Test
    fun camerasThatAreInUseDisabledOrGoneAreTold() {
        val byReason =
            mapOf(
                CameraAccessException.CAMERA_IN_USE to CameraFailure.IN_USE,
                CameraAccessException.MAX_CAMERAS_IN_USE to CameraFailure.IN_USE,
                CameraAccessException.CAMERA_DISABLED to CameraFailure.DISABLED,
                CameraAccessException.CAMERA_DISCONNECTED to CameraFailure.TAKEN,
                CameraAccessException.CAMERA_ERROR to CameraFailure.BROKEN,
            )
        for ((reason, failure) in byReason) assertEquals(
            failure,
            failureOf(CameraAccessException(reason)),
        )
        val byError =
            mapOf(
                CameraDevice.StateCallback.ERROR_CAMERA_IN_USE to CameraFailure.IN_USE,
                CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE to CameraFailure.IN_USE,
                CameraDevice.StateCallback.ERROR_CAMERA_DISABLED to CameraFailure.DISABLED,
                CameraDevice.StateCallback.ERROR_CAMERA_DEVICE to CameraFailure.BROKEN,
                CameraDevice.StateCallback.ERROR_CAMERA_SERVICE to CameraFailure.BROKEN,
            )
        for ((error, failure) in byError) assertEquals(failure, failureOf(error))
    }

    private fun live(test: (Phone, Film) -> Unit) =
        Phone(Filming::class.java).use { phone -> test(phone, start(phone)) }

    private fun start(phone: Phone): Film {
        phone.settle()
        phone.press(R.id.live)
        val view = phone.find<SurfaceView>(R.id.camera)
        val holder = Shadow.extract<ShadowSurfaceView>(view).fakeSurfaceHolder
        holder.callbacks.forEach { it.surfaceCreated(holder) }
        assertEquals("Pause", phone.text(R.id.live))
        return Film.last.also { assertTrue("the camera runs", it.running) }
    }

    /** Robolectric's cameras, behind the app's own code for them. */
    private class Camera2 {
        private val context: Context = RuntimeEnvironment.getApplication()
        private val manager = context.getSystemService(CameraManager::class.java)
        private var failure: CameraFailure? = null
        var previewed: Pair<FrameSize, FrameSize>? = null

        fun add(id: String, facing: Int, vararg sizes: Size) {
            val characteristics = ShadowCameraCharacteristics.newCameraCharacteristics()
            val builder = StreamConfigurationMapBuilder.newBuilder()
            for (size in sizes) builder.addOutputSize(ImageFormat.YUV_420_888, size)
            Shadow.extract<ShadowCameraCharacteristics>(characteristics).apply {
                set(CameraCharacteristics.LENS_FACING, facing)
                set(CameraCharacteristics.SENSOR_ORIENTATION, 90)
                set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, builder.build())
            }
            Shadow.extract<ShadowCameraManager>(manager).addCamera(id, characteristics)
        }

        /** Starts the camera; returns what it fails with. */
        fun start(): CameraFailure? {
            val surface = Surface(SurfaceTexture(1))
            val camera =
                LiveCamera(manager, Handler(Looper.getMainLooper()), {}, { failure = it })
            camera.start(
                480,
                preview = { size, upright ->
                    previewed = size to upright
                    surface
                },
                display = { 0 },
            )
            shadowOf(Looper.getMainLooper()).idle()
            camera.stop()
            return failure
        }
    }

    private companion object {
        val RATE =
            Regex(
                "LiteRT, 1 thread: [0-9.]+ frames per second; half of them take at most " +
                    "[0-9.]+ ms, nine of ten [0-9.]+ ms"
            )
    }
}

/** A camera that shows what a test wants. */
internal class Film(
    private val put: (write: (CameraFrame) -> Unit) -> Unit,
    private val failed: (CameraFailure) -> Unit,
) : Viewfinder {
    var running = false
    var given = 0

    override fun start(
        least: Int,
        preview: (FrameSize, upright: FrameSize) -> Surface,
        display: () -> Int,
    ) {
        running = true
    }

    override fun stop() {
        running = false
    }

    fun fail(failure: CameraFailure) {
        running = false
        failed(failure)
    }

    /** Frames that the screen has counted; -1 while it shows none. */
    fun classified(phone: Phone): Long =
        (phone.activity.onRetainNonConfigurationInstance() as Session).state.live?.rate?.frames ?: -1

    /** Gives a picture as a sensor would that is built in turned by [degrees]. */
    fun frame(file: File, degrees: Int) {
        given++
        val photo = BitmapFactory.decodeFile(file.path)
        val side = 2 * (minOf(photo.width, photo.height) / 2)
        val upright = IntArray(side * side)
        photo.getPixels(upright, 0, side, 0, 0, side, side)
        val orientation = Orientation.ofRotation(degrees)
        val stored =
            IntArray(side * side) { index ->
                val x = index % side
                val y = index / side
                val down = if (orientation.transposed) x else y
                val across = if (orientation.transposed) y else x
                val row = if (orientation.rowsReversed) side - 1 - down else down
                val column = if (orientation.columnsReversed) side - 1 - across else across
                upright[row * side + column]
            }
        val half = side / 2
        val grey = ByteArray(half * half) { 128.toByte() }
        put { slot ->
            slot.fill(
                degrees,
                plane = { index, _ ->
                    if (index == 0)
                        YuvPlane(ByteArray(side * side) { (stored[it] shr 8).toByte() }, side, 1)
                    else YuvPlane(grey, half, 1)
                },
                pixels = { y, u, v -> YuvPixels(side, side, y, u, v) },
            )
        }
    }

    companion object {
        lateinit var last: Film
    }
}

internal open class Filming : MainActivity() {
    override fun viewfinder(
        frame: (write: (CameraFrame) -> Unit) -> Unit,
        failed: (CameraFailure) -> Unit,
    ): Viewfinder = Film(frame, failed).also { Film.last = it }
}

internal class LiveWithThrowingEngine : Filming() {
    override val engines = listOf(ThrowingWhileLive, OrtEngine.Factory)

    companion object {
        lateinit var error: Throwable
    }
}

private object ThrowingWhileLive :
    dev.mobiledeploy.core.EngineFactory by LiteRtEngine.Factory {
    override fun open(
        model: java.nio.ByteBuffer,
        threads: Int,
    ): dev.mobiledeploy.core.Engine {
        val engine = LiteRtEngine.Factory.open(model, threads)
        return object : dev.mobiledeploy.core.Engine by engine {
            override fun run(input: java.nio.ByteBuffer): List<java.nio.ByteBuffer> =
                throw LiveWithThrowingEngine.error
        }
    }
}
