package dev.mobiledeploy.demo

import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.net.ConnectException
import java.net.NoRouteToHostException
import java.net.SocketException
import java.net.SocketTimeoutException
import java.net.UnknownHostException
import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** A photo that another app holds. Both functions may throw anything, or never return. */
internal interface PhotoSource {
    /** Says what is known of the photo's place; asked once, before [open]. */
    fun facts(): SourceFacts

    /** Opens the photo. */
    fun open(): InputStream

    /** Asks [facts] and [open] to end early; called on another thread. They need not obey. */
    fun cancel()
}

/**
 * What is known of the place of a photo.
 *
 * @property local whether it certainly lies on this phone.
 * @property downloaded whether its app says that it is complete on this phone; true if it says
 *   nothing.
 * @property network false if the phone is in aeroplane mode.
 */
internal data class SourceFacts(
    val local: Boolean = false,
    val downloaded: Boolean = true,
    val network: Boolean = true,
)

/**
 * How long another app may take.
 *
 * @property silenceMillis without a single byte.
 * @property wholeMillis for all of them.
 */
internal data class Patience(val silenceMillis: Long = 20_000, val wholeMillis: Long = 300_000)

/** Why a photo did not arrive, with what the screen says of it. */
internal enum class NotFetched(val title: Int, val hint: Int) {
    SILENT(R.string.silent_title, R.string.silent_hint),
    SLOW(R.string.slow_title, R.string.slow_hint),
    NO_NETWORK(R.string.no_network_title, R.string.no_network_hint),
    NOT_DOWNLOADED(R.string.not_downloaded_title, R.string.not_downloaded_hint),
    GONE(R.string.gone_title, R.string.gone_hint),
    NOT_ALLOWED(R.string.not_allowed_title, R.string.not_allowed_hint),
    FAULT(R.string.fault_title, R.string.fault_hint),
    EMPTY(R.string.empty_title, R.string.empty_hint),
    TOO_MANY_BYTES(R.string.too_many_bytes_title, R.string.too_many_bytes_hint),
    NO_SPACE(R.string.no_space_title, R.string.no_space_hint),
    MEMORY(R.string.memory_title, R.string.memory_hint);

    fun problem(): Problem = Problem(title, hint)
}

/** Thrown to the one who waits for a photo. */
internal class NotFetchedException(val reason: NotFetched, cause: Throwable? = null) :
    Exception(reason.name, cause)

/** Thrown to the one who waited, and does so no longer. */
internal class FetchCancelledException : Exception()

/**
 * Copies a photo from another app into a file, and gives up on an app that hangs.
 *
 * The copy runs on a thread of its own, and another watches it: an app that never answers holds a
 * sleeping thread, and nothing else. A copy that comes too late deletes what it wrote.
 *
 * @property into a file that nobody else uses.
 */
internal class PhotoFetch(
    private val source: PhotoSource,
    private val into: File,
    private val patience: Patience = Patience(),
    private val write: (File) -> OutputStream = File::outputStream,
) {
    private val lock = ReentrantLock()
    private val changed = lock.newCondition()
    private var stream: InputStream? = null
    private var result: Result<File>? = null
    private var facts = SourceFacts()
    private var lastByte = System.nanoTime()

    /** Starts; [then] is called once, on a thread of this class. */
    fun start(then: (Result<File>) -> Unit) {
        lastByte = System.nanoTime()
        daemon("photo copy") { finish(copied()) }
        daemon("photo watch") {
            val result = watched()
            then(result)
            if (result.isFailure) release()
        }
    }

    /** Ends the wait at once. */
    fun cancel() = finish(Result.failure(FetchCancelledException()))

    /** Waits for a result, and makes one when the other app's time is over. */
    private fun watched(): Result<File> {
        val start = System.nanoTime()
        lock.withLock {
            while (true) {
                result?.let {
                    return it
                }
                val now = System.nanoTime()
                val silence = patience.silenceMillis - (now - lastByte) / 1_000_000
                val whole = patience.wholeMillis - (now - start) / 1_000_000
                if (minOf(silence, whole) <= 0) {
                    val reason = if (silence <= 0) NotFetched.SILENT else NotFetched.SLOW
                    finish(Result.failure(NotFetchedException(late(reason))))
                } else {
                    changed.await(minOf(silence, whole), TimeUnit.MILLISECONDS)
                }
            }
        }
    }

    private fun late(reason: NotFetched): NotFetched =
        when {
            !facts.local && !facts.network -> NotFetched.NO_NETWORK
            !facts.downloaded -> NotFetched.NOT_DOWNLOADED
            else -> reason
        }

    private fun copied(): Result<File> =
        try {
            val facts = source.facts()
            lock.withLock { this.facts = facts }
            copy()
            Result.success(into)
        } catch (e: Throwable) { // It is another app's fault, and it says so on the screen.
            into.delete()
            Result.failure(NotFetchedException(reason(e), e))
        }

    private fun copy() {
        var total = 0L
        val opened = source.open()
        lock.withLock { stream = opened }
        opened.use { photo ->
            written { write(into) }
                .use { out ->
                    val block = ByteArray(1 shl 16)
                    while (true) {
                        val read = photo.read(block)
                        if (read < 0) break
                        total += read
                        if (total > LARGEST) throw NotFetchedException(NotFetched.TOO_MANY_BYTES)
                        written { out.write(block, 0, read) }
                        lock.withLock {
                            if (result != null) throw FetchCancelledException()
                            lastByte = System.nanoTime()
                        }
                    }
                    written { out.flush() }
                }
        }
        if (total == 0L) throw NotFetchedException(NotFetched.EMPTY)
    }

    private fun finish(given: Result<File>) =
        lock.withLock {
            if (result == null) result = given else if (given.isSuccess) into.delete()
            changed.signalAll()
        }

    /** Lets go of what the other app may still hold. */
    private fun release() {
        // What they throw would tell nobody anything: the reason is known already.
        runCatching { source.cancel() }
        runCatching { lock.withLock { stream }?.close() }
    }

    private fun reason(error: Throwable): NotFetched {
        val causes = generateSequence(error) { it.cause }.take(DEEPEST).toList()
        val facts = lock.withLock { facts }
        return when {
            error is NotFetchedException -> error.reason
            error is NotWritten -> NotFetched.NO_SPACE
            causes.any { it is OutOfMemoryError } -> NotFetched.MEMORY
            causes.any { it is SecurityException } -> NotFetched.NOT_ALLOWED
            causes.any(::isOfNetwork) || !facts.local && !facts.network -> NotFetched.NO_NETWORK
            !facts.downloaded -> NotFetched.NOT_DOWNLOADED
            causes.any { it is FileNotFoundException } -> NotFetched.GONE
            else -> NotFetched.FAULT
        }
    }

    private fun isOfNetwork(error: Throwable): Boolean =
        error is UnknownHostException ||
            error is ConnectException ||
            error is NoRouteToHostException ||
            error is SocketTimeoutException ||
            error is SocketException

    private companion object {
        const val LARGEST = 512L shl 20
        const val DEEPEST = 10
    }
}

/** The app's own file could not be written. */
private class NotWritten(cause: IOException) : IOException(cause)

private inline fun <T> written(action: () -> T): T =
    try {
        action()
    } catch (e: IOException) {
        throw NotWritten(e)
    }

private fun daemon(name: String, work: () -> Unit) =
    Thread(work, name).run {
        isDaemon = true
        start()
    }
