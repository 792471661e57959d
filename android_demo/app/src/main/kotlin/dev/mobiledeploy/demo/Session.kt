package dev.mobiledeploy.demo

import android.content.ContentResolver
import android.graphics.Bitmap
import android.net.Uri
import android.os.Handler
import android.os.Looper
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/**
 * What outlives the screen when the phone is turned: the state, and the work in progress.
 *
 * Everything here runs on the main thread except what is handed to the one worker thread. A screen
 * registers with [show] and must leave with [hide]: nothing here holds on to it longer.
 */
internal class Session(
    private val worker: Worker,
    private val photo: PhotoFile,
    private val resolver: ContentResolver,
    choice: Choice,
) {
    private val main = Handler(Looper.getMainLooper())
    private val background: ExecutorService = Executors.newSingleThreadExecutor()
    private var screen: ((ScreenState) -> Unit)? = null

    /** Counts photos and choices: work for an older one than the newest is dropped. */
    @Volatile private var newest = 0

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
        inBackground({ worker.load() }) { result ->
            state =
                result.fold({ state.copy(contract = it) }, { state.copy(problem = problem(it)) })
        }

    /** Classifies a photo that the user chose. */
    fun choose(uri: Uri) = replacePhoto { photo.copy(resolver, uri) }

    /** Classifies the camera app's photo. */
    fun take(bitmap: Bitmap) = replacePhoto { photo.keep(bitmap) }

    /** Classifies the photo of an earlier process again. */
    fun restore() = classify {}

    /** Runs the model in another way, on the photo that is there. */
    fun choose(choice: Choice) {
        if (choice == state.choice) return
        state = state.copy(choice = choice)
        if (state.preview != null) classify {}
    }

    /** Shows a problem that the screen met. */
    fun report(problem: Problem) {
        state = state.copy(problem = problem)
    }

    /** Runs the golden vectors on this phone. */
    fun selfTest(device: Map<String, String>) {
        state = state.copy(testing = true, verdict = null, problem = null)
        val threads = state.choice.threads
        inBackground({ worker.selfTest(threads, device) }) { result ->
            state =
                state.copy(testing = false, verdict = result.getOrNull(), problem = problem(result))
        }
    }

    /** Ends the work; the session cannot be used any more. */
    fun close() {
        hide()
        newest++
        background.execute(worker::close)
        background.shutdown()
    }

    private fun replacePhoto(fetch: () -> Unit) {
        state = state.copy(preview = null)
        classify(fetch)
    }

    /** Classifies the app's copy of the photo, after [fetch] has replaced it. */
    private fun classify(fetch: () -> Unit) {
        val mine = ++newest
        val choice = state.choice
        state = state.copy(working = true, answer = null, problem = null)
        inBackground({
            fetch() // Of outdated requests too: a newer one may be for another engine, not another
            // photo.
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
                        problem = problem(result),
                    )
            }
        }
    }

    /** Runs [work] on the worker, and [then] on the main thread if the session is still open. */
    private fun <T> inBackground(work: () -> T, then: (Result<T>) -> Unit) {
        background.execute {
            val result =
                try {
                    Result.success(work())
                } catch (e: ProblemException) {
                    Result.failure(e)
                }
            main.post { if (!background.isShutdown) then(result) }
        }
    }

    private fun problem(result: Result<*>): Problem? = result.exceptionOrNull()?.let(::problem)

    private fun problem(error: Throwable): Problem = (error as ProblemException).problem
}
