package dev.mobiledeploy.demo

import android.graphics.Bitmap
import android.os.Handler
import android.os.Looper
import dev.mobiledeploy.core.FrameStatistics
import dev.mobiledeploy.core.LatestFrame
import dev.mobiledeploy.core.PixelSource
import dev.mobiledeploy.core.uprightCopy
import java.io.File
import java.util.concurrent.CancellationException
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.atomic.AtomicBoolean

/**
 * What outlives the screen when the phone is turned: the state, and the work in progress.
 *
 * Everything here runs on the main thread except what is handed to the one worker thread, and the
 * [PhotoFetch], which waits for other apps so that the worker never does. A screen registers with
 * [show] and must leave with [hide]: nothing here holds on to it longer.
 */
internal class Session(
    private val worker: Worker,
    private val photo: PhotoFile,
    choice: Choice,
    private val patience: Patience = Patience(),
) {
    private val main = Handler(Looper.getMainLooper())
    private val background: ExecutorService = Executors.newSingleThreadExecutor()
    private var screen: ((ScreenState) -> Unit)? = null

    /** The photo on its way here; an older one is of no use any more. */
    private var fetch: PhotoFetch? = null

    /** Counts photos and choices: work for an older one than the newest is dropped. */
    @Volatile private var newest = 0

    /** Set to end the self-test before its next image. */
    @Volatile private var endTest = false

    private val frames = LatestFrame(::CameraFrame)

    /** Whether the worker has been told of the newest frame. */
    private val frameScheduled = AtomicBoolean()

    /** How frames are classified; null while there are none. */
    @Volatile private var liveChoice: Choice? = null

    /** Of the worker's thread: the frame of the last answer, and how fast they come. */
    private var lastFrame: CameraFrame? = null
    private val statistics = FrameStatistics()

    var state = ScreenState(choice = choice)
        private set(value) {
            field = value
            screen?.invoke(value)
        }

    fun show(screen: (ScreenState) -> Unit) {
        this.screen = screen
        screen(state)
    }

    fun hide() {
        screen = null
    }

    /** Loads the model's contract. */
    fun load() =
        inBackground({
            photo.clean()
            worker.load() to Samples.of(worker.labels())
        }) { result ->
            state =
                result.fold(
                    { (contract, samples) -> state.copy(contract = contract, samples = samples) },
                    { state.copy(problem = problemOf(it)) },
                )
        }

    /** Fetches a photo from another app, and classifies it. */
    fun choose(source: PhotoSource) {
        fetch?.cancel()
        stopLive()
        val mine = PhotoFetch(source, photo.fresh(), patience)
        fetch = mine
        state = state.copy(fetching = true, problem = null)
        mine.start { result ->
            main.post {
                if (mine !== fetch) {
                    result.getOrNull()?.delete()
                    return@post
                }
                fetch = null
                state = state.copy(fetching = false)
                result.fold(
                    { fresh -> replacePhoto { photo.replace(fresh) } },
                    { error ->
                        // Who cancels wants what was there before.
                        if (error !is FetchCancelledException) fail(error)
                    },
                )
            }
        }
    }

    /** Classifies the camera app's photo, of which [file] is not needed any more. */
    fun take(file: File) {
        fetch?.cancel()
        stopLive()
        replacePhoto { photo.replace(file) }
    }

    /** Shows other answers, or more, of what is known. */
    fun display(display: Display) {
        state = state.copy(display = display)
    }

    /** Classifies the photo with every engine, and each of some numbers of threads. */
    fun compare(threads: List<Int>) {
        val mine = newest
        state = state.copy(comparing = true, comparison = emptyList(), problem = null)
        inBackground({ worker.compare(photo.file, threads) { mine == newest } }) { result ->
            state = state.copy(comparing = false)
            if (mine == newest) {
                state =
                    state.copy(
                        comparison = result.getOrDefault(emptyList()),
                        problem = result.exceptionOrNull()?.let(::problemOf),
                    )
            }
        }
    }

    /** Stops waiting for the other app; the photo before stays. */
    fun cancelFetch() {
        fetch?.cancel()
    }

    /** Classifies the photo of an earlier process again. */
    fun restore() = classify {}

    /** Runs the model in another way, on the photo that is there. */
    fun choose(choice: Choice) {
        if (choice == state.choice) return
        state = state.copy(choice = choice)
        if (state.live != null) {
            liveChoice = choice
            background.execute(statistics::clear)
        }
        if (state.preview != null) classify {}
    }

    /** Begins to classify what the camera sees; [frame] brings it. */
    fun startLive() {
        fetch?.cancel()
        fetch = null
        newest++
        frames.clear()
        background.execute {
            statistics.clear()
            lastFrame = null
        }
        liveChoice = state.choice
        state =
            state.copy(
                live = Live(),
                fetching = false,
                working = false,
                preview = null,
                answer = null,
                problem = null,
            )
    }

    /**
     * Takes a frame of the camera over, on the camera's thread. It is classified as soon as the
     * worker is free, unless a newer one arrives before.
     */
    fun frame(write: (CameraFrame) -> Unit) {
        if (liveChoice == null) return
        frames.put(write)
        if (!frameScheduled.compareAndSet(false, true)) return
        try {
            background.execute(::classifyNewestFrame)
        } catch (_: RejectedExecutionException) {
            // The app was closed between the two lines.
        }
    }

    /** Keeps the last frame as the photo, with its answer, and lets go of the camera. */
    fun holdFrame() {
        if (state.live == null) return
        stopLive()
        classify {
            val frame = lastFrame ?: throw ProblemException(NO_FRAME)
            photo.keep(bitmapOf(uprightCopy(frame.pixels, frame.orientation)))
        }
    }

    /** Says why there is no live picture. */
    fun cameraFailed(failure: CameraFailure) {
        // The answer of a photo that is still there stays.
        val answer = state.answer.takeIf { state.live == null }
        stopLive()
        state = state.copy(answer = answer, problem = failure.problem())
    }

    /** Shows a problem that the screen met. */
    fun report(problem: Problem) {
        state = state.copy(problem = problem)
    }

    /** Runs the golden vectors on this phone. */
    fun selfTest(device: Map<String, String>) {
        endTest = false
        state = state.copy(testing = TestProgress("", 0, 0), verdict = null, problem = null)
        val threads = state.choice.threads
        inBackground({
            worker.selfTest(threads, device) { progress ->
                if (endTest) throw CancellationException()
                main.post { if (state.testing != null) state = state.copy(testing = progress) }
            }
        }) { result ->
            val error = result.exceptionOrNull().takeIf { it !is CancellationException }
            state =
                state.copy(
                    testing = null,
                    verdict = result.getOrNull(),
                    problem = error?.let(::problemOf),
                )
        }
    }

    /** Ends the self-test before its next image. */
    fun cancelSelfTest() {
        endTest = true
    }

    /** Ends the work; the session cannot be used any more. */
    fun close() {
        hide()
        newest++
        liveChoice = null
        endTest = true
        fetch?.cancel()
        fetch = null
        background.execute(worker::close)
        background.shutdown()
    }

    private fun stopLive() {
        liveChoice = null
        if (state.live != null) state = state.copy(live = null)
    }

    private fun classifyNewestFrame() {
        frameScheduled.set(false)
        val choice = liveChoice ?: return
        val frame = frames.take() ?: return
        lastFrame = frame
        val mine = newest
        val result =
            try {
                Result.success(worker.classify(frame.pixels, frame.orientation, choice))
            } catch (e: Throwable) { // As in inBackground.
                if (e !is ProblemException) runCatching { worker.close() }
                Result.failure(e)
            }
        val rate = statistics.add(frame.arrivedNanos, System.nanoTime())
        main.post {
            if (mine != newest || state.live == null) return@post
            result.fold(
                { answer ->
                    // An answer of the engine before the last choice is none of this one.
                    if (answer.choice == state.choice)
                        state = state.copy(live = Live(rate), answer = answer)
                },
                { error ->
                    stopLive()
                    state = state.copy(answer = null, problem = problemOf(error))
                },
            )
        }
    }

    private fun fail(error: Throwable) {
        newest++
        state =
            state.copy(working = false, preview = null, answer = null, problem = problemOf(error))
    }

    private fun replacePhoto(replace: () -> Unit) {
        state = state.copy(preview = null)
        classify(replace)
    }

    /** Classifies the app's copy of the photo, after [replace] has put another in its place. */
    private fun classify(replace: () -> Unit) {
        val mine = ++newest
        val choice = state.choice
        state =
            state.copy(
                working = true,
                answer = null,
                comparison = emptyList(),
                problem = null,
            )
        inBackground({
            // Of outdated requests too: a newer one may be for another engine, not another photo.
            replace()
            if (mine != newest) return@inBackground null
            val preview = worker.preview(photo.file)
            main.post { if (mine == newest) state = state.copy(preview = preview) }
            worker.classify(photo.file, choice)
        }) { result ->
            if (mine == newest) {
                state =
                    state.copy(
                        working = false,
                        answer = result.getOrNull(),
                        problem = result.exceptionOrNull()?.let(::problemOf),
                    )
            }
        }
    }

    /**
     * Runs [work] on the worker, and [then] on the main thread if the session is still open.
     *
     * Whatever [work] throws comes back as a result: an engine's fault or too little memory must
     * not end the app. The model is opened anew after what nobody has foreseen.
     */
    private fun <T> inBackground(work: () -> T, then: (Result<T>) -> Unit) {
        background.execute {
            val result =
                try {
                    Result.success(work())
                } catch (e: Throwable) {
                    if (e !is ProblemException) runCatching { worker.close() }
                    Result.failure(e)
                }
            main.post { if (!background.isShutdown) then(result) }
        }
    }

    private companion object {
        val NO_FRAME = Problem(R.string.no_frame_title, R.string.no_frame_hint)
    }
}

private fun bitmapOf(pixels: PixelSource): Bitmap {
    val bitmap = Bitmap.createBitmap(pixels.width, pixels.height, Bitmap.Config.ARGB_8888)
    val row = IntArray(pixels.width)
    for (y in 0 until pixels.height) {
        pixels.readRow(0, y, pixels.width, row)
        bitmap.setPixels(row, 0, pixels.width, 0, y, pixels.width, 1)
    }
    return bitmap
}
