package dev.mobiledeploy.demo

import android.annotation.SuppressLint
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.hardware.camera2.params.OutputConfiguration
import android.hardware.camera2.params.SessionConfiguration
import android.media.Image
import android.media.ImageReader
import android.os.Build
import android.os.Handler
import android.os.HandlerThread
import android.view.Surface
import dev.mobiledeploy.core.ImageException
import dev.mobiledeploy.core.YuvPixels
import dev.mobiledeploy.core.YuvPlane

/** What gives the live picture. Called on the main thread. */
internal interface Viewfinder {
    /**
     * Starts the camera that looks away from the user, or the only one.
     *
     * @param least pixels that both sides of a frame should have.
     * @param preview makes the screen's surface ready for frames of a size.
     * @param display degrees that the screen is turned, asked for each frame.
     */
    fun start(least: Int, preview: (FrameSize, upright: FrameSize) -> Surface, display: () -> Int)

    /** Gives the camera back, so that other apps may have it. */
    fun stop()
}

/**
 * The phone's camera, by Android's `camera2`.
 *
 * @property frame takes each frame; called on the camera's thread.
 * @property failed told once that there will be no more frames; called on the main thread.
 */
internal class LiveCamera(
    private val manager: CameraManager,
    private val main: Handler,
    private val frame: (write: (CameraFrame) -> Unit) -> Unit,
    private val failed: (CameraFailure) -> Unit,
) : Viewfinder {
    /** A camera of this phone, and the frames that it will give. */
    private class Lens(val id: String, val size: FrameSize, val sensor: Int, val front: Boolean)

    private var thread: HandlerThread? = null
    private var reader: ImageReader? = null
    private var device: CameraDevice? = null

    /** Counts starts: what an earlier camera says does not matter any more. */
    @Volatile private var run = 0

    override fun start(
        least: Int,
        preview: (FrameSize, upright: FrameSize) -> Surface,
        display: () -> Int,
    ) {
        stop()
        val mine = ++run
        try {
            val lens = lens(least) ?: return fail(mine, CameraFailure.NO_CAMERA)
            val turn = frameRotation(lens.sensor, display(), lens.front)
            val size = lens.size
            val upright = if (turn % 180 == 0) size else FrameSize(size.height, size.width)
            open(mine, lens, preview(size, upright), display)
        } catch (e: CameraAccessException) {
            fail(mine, failureOf(e))
        } catch (_: SecurityException) {
            fail(mine, CameraFailure.REFUSED)
        } catch (_: RuntimeException) {
            // Camera services of phones throw what the documentation does not name.
            fail(mine, CameraFailure.BROKEN)
        }
    }

    override fun stop() {
        run++
        device?.close()
        device = null
        reader?.close()
        reader = null
        thread?.quitSafely()
        thread = null
    }

    @SuppressLint("MissingPermission") // SecurityException is caught.
    private fun open(mine: Int, lens: Lens, preview: Surface, display: () -> Int) {
        val thread = HandlerThread("camera").also { it.start() }
        this.thread = thread
        val handler = Handler(thread.looper)
        val size = lens.size
        val reader = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2)
        this.reader = reader
        reader.setOnImageAvailableListener(
            { take(it) { frameRotation(lens.sensor, display(), lens.front) } },
            handler,
        )
        // On the main thread: told to a thread that has ended meanwhile, the camera would stay open.
        val opened =
            object : CameraDevice.StateCallback() {
                override fun onOpened(camera: CameraDevice) {
                    if (mine != run) return camera.close()
                    device = camera
                    begin(mine, camera, listOf(preview, reader.surface))
                }

                override fun onDisconnected(camera: CameraDevice) {
                    camera.close()
                    fail(mine, CameraFailure.TAKEN)
                }

                override fun onError(camera: CameraDevice, error: Int) {
                    camera.close()
                    fail(mine, failureOf(error))
                }
            }
        manager.openCamera(lens.id, opened, main)
    }

    private fun lens(least: Int): Lens? {
        val lenses =
            manager.cameraIdList.mapNotNull { id ->
                val facts = manager.getCameraCharacteristics(id)
                val sizes =
                    facts
                        .get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
                        ?.getOutputSizes(ImageFormat.YUV_420_888)
                        .orEmpty()
                frameSize(sizes.map { FrameSize(it.width, it.height) }, least)?.let { size ->
                    Lens(
                        id,
                        size,
                        facts.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0,
                        facts.get(CameraCharacteristics.LENS_FACING) ==
                            CameraCharacteristics.LENS_FACING_FRONT,
                    )
                }
            }
        return lenses.firstOrNull { !it.front } ?: lenses.firstOrNull()
    }

    private fun begin(mine: Int, camera: CameraDevice, targets: List<Surface>) {
        val configured =
            object : CameraCaptureSession.StateCallback() {
                override fun onConfigured(session: CameraCaptureSession) {
                    guarded(mine) {
                        val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                        targets.forEach(request::addTarget)
                        request.set(
                            CaptureRequest.CONTROL_AF_MODE,
                            CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE,
                        )
                        session.setRepeatingRequest(request.build(), null, main)
                    }
                }

                override fun onConfigureFailed(session: CameraCaptureSession) =
                    fail(mine, CameraFailure.BROKEN)
            }
        guarded(mine) {
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
                val outputs = targets.map(::OutputConfiguration)
                val kind = SessionConfiguration.SESSION_REGULAR
                camera.createCaptureSession(
                    SessionConfiguration(kind, outputs, { main.post(it) }, configured)
                )
            } else {
                @Suppress("DEPRECATION") // Its replacement came with Android 9.
                camera.createCaptureSession(targets, configured, main)
            }
        }
    }

    /** The camera may go, or be given back, between any two lines. */
    private inline fun guarded(mine: Int, action: () -> Unit) {
        try {
            action()
        } catch (e: CameraAccessException) {
            fail(mine, failureOf(e))
        } catch (_: RuntimeException) {
            fail(mine, CameraFailure.BROKEN)
        }
    }

    private fun take(reader: ImageReader, rotation: () -> Int) {
        try {
            val image = reader.acquireLatestImage() ?: return
            image.use { frame { slot -> fill(slot, image, rotation()) } }
        } catch (_: IllegalStateException) {
            // The camera was given back meanwhile, and its memory with it.
        } catch (_: ImageException) {
            // A frame whose planes do not hold what they should is none.
        } catch (_: OutOfMemoryError) {
            // Nor is one for which there is no room: the next may find some.
        }
    }

    private fun fail(mine: Int, failure: CameraFailure) {
        main.post {
            if (mine == run) {
                stop()
                failed(failure)
            }
        }
    }
}

private fun fill(slot: CameraFrame, image: Image, rotation: Int) {
    val part = image.cropRect
    slot.fill(
        rotation,
        plane = { index, earlier ->
            image.planes[index].run { YuvPlane.copy(buffer, rowStride, pixelStride, earlier) }
        },
        pixels = { y, u, v ->
            YuvPixels(part.width(), part.height(), y, u, v, part.left, part.top)
        },
    )
}

internal fun failureOf(error: CameraAccessException): CameraFailure =
    when (error.reason) {
        CameraAccessException.CAMERA_IN_USE,
        CameraAccessException.MAX_CAMERAS_IN_USE -> CameraFailure.IN_USE
        CameraAccessException.CAMERA_DISABLED -> CameraFailure.DISABLED
        CameraAccessException.CAMERA_DISCONNECTED -> CameraFailure.TAKEN
        else -> CameraFailure.BROKEN
    }

/** Of an `ERROR_*` of [CameraDevice.StateCallback]. */
internal fun failureOf(error: Int): CameraFailure =
    when (error) {
        CameraDevice.StateCallback.ERROR_CAMERA_IN_USE,
        CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE -> CameraFailure.IN_USE
        CameraDevice.StateCallback.ERROR_CAMERA_DISABLED -> CameraFailure.DISABLED
        else -> CameraFailure.BROKEN
    }
