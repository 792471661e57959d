package dev.mobiledeploy.demo

import java.io.ByteArrayInputStream
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.net.UnknownHostException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** Whatever the app does that holds a photo, there is one answer, in time, with its reason. */
class PhotoFetchTest {
    @get:Rule val folder = TemporaryFolder()

    private val into: File
        get() = File(folder.root, "copy")

    @Test
    fun everyByteArrives() {
        val bytes = ByteArray(200_001) { (it * 31).toByte() }
        assertEquals(into, fetch(Fake { ByteArrayInputStream(bytes) }).getOrThrow())
        assertArrayEquals(bytes, into.readBytes())
    }

    @Test
    fun anAppThatNeverOpensThePhoto() {
        val fake = Fake { sleep() }
        assertEquals(NotFetched.SILENT, reason(fetch(fake, SHORT)))
        assertTrue(fake.cancelled.await(10, TimeUnit.SECONDS))
    }

    @Test
    fun anAppThatNeverSaysWhatItHolds() {
        val source =
            object : PhotoSource by Fake(stream = { ByteArrayInputStream(ByteArray(1)) }) {
                override fun facts(): SourceFacts = sleep()
            }
        assertEquals(NotFetched.SILENT, reason(fetch(source, SHORT)))
    }

    @Test
    fun anAppThatStopsInTheMiddle() {
        val closed = CountDownLatch(1)
        val stream =
            object : InputStream() {
                private var left = 1000

                override fun read(): Int = if (left-- > 0) 1 else sleep()

                override fun read(into: ByteArray, offset: Int, count: Int): Int {
                    if (left <= 0) sleep()
                    left -= 500
                    return 500
                }

                override fun close() = closed.countDown()
            }
        assertEquals(NotFetched.SILENT, reason(fetch(Fake { stream }, SHORT)))
        assertTrue("the stream is closed", closed.await(10, TimeUnit.SECONDS))
    }

    @Test
    fun anAppThatSendsAByteNowAndThen() {
        val stream =
            object : InputStream() {
                override fun read(): Int = 1

                override fun read(into: ByteArray, offset: Int, count: Int): Int {
                    Thread.sleep(20)
                    return 1
                }
            }
        val patience = Patience(silenceMillis = 5_000, wholeMillis = 400)
        assertEquals(NotFetched.SLOW, reason(fetch(Fake { stream }, patience)))
        await("the copy is deleted") { !into.exists() }
    }

    @Test
    fun whoCancelsIsAnsweredAtOnceAndALateCopyIsDeleted() {
        val open = CountDownLatch(1)
        var copier: Thread? = null
        val source = Fake {
            copier = Thread.currentThread()
            open.await()
            ByteArrayInputStream(ByteArray(100))
        }
        val results = LinkedBlockingQueue<Result<File>>()
        val fetch = PhotoFetch(source, into)
        fetch.start(results::put)
        await("the copy begins") { copier != null }
        fetch.cancel()
        fetch.cancel()
        val result = results.poll(10, TimeUnit.SECONDS)
        assertTrue("$result", result!!.exceptionOrNull() is FetchCancelledException)
        open.countDown()
        await("the copy ends") { copier?.isAlive == false }
        assertFalse(into.exists())
        assertTrue("one answer", results.isEmpty())
    }

    @Test
    fun whatIsThrownHasAReason() {
        val cases: List<Pair<Throwable, NotFetched>> =
            listOf(
                SecurityException("no grant") to NotFetched.NOT_ALLOWED,
                FileNotFoundException("deleted") to NotFetched.GONE,
                IOException("reading", UnknownHostException("cloud")) to NotFetched.NO_NETWORK,
                IllegalStateException("a fault") to NotFetched.FAULT,
                IOException("EIO") to NotFetched.FAULT,
                OutOfMemoryError() to NotFetched.MEMORY,
                StackOverflowError() to NotFetched.FAULT,
            )
        for ((error, expected) in cases) {
            assertEquals("$error, opened", expected, reason(fetch(Fake { throw error })))
            val stream =
                object : InputStream() {
                    override fun read(): Int = throw error
                }
            assertEquals("$error, read", expected, reason(fetch(Fake { stream })))
            assertFalse("$error", into.exists())
        }
    }

    @Test
    fun thePlaceOfThePhotoRefinesTheReason() {
        val offline = SourceFacts(network = false)
        val partial = SourceFacts(downloaded = false)
        val here = SourceFacts(local = true, network = false)
        fun failing(facts: SourceFacts) = Fake(facts) { throw FileNotFoundException() }
        assertEquals(NotFetched.NO_NETWORK, reason(fetch(failing(offline))))
        assertEquals(NotFetched.NOT_DOWNLOADED, reason(fetch(failing(partial))))
        assertEquals(NotFetched.GONE, reason(fetch(failing(here))))
        assertEquals(NotFetched.NO_NETWORK, reason(fetch(Fake(offline) { sleep() }, SHORT)))
        assertEquals(NotFetched.NOT_DOWNLOADED, reason(fetch(Fake(partial) { sleep() }, SHORT)))
    }

    @Test
    fun aPhotoWithoutBytes() {
        assertEquals(
            NotFetched.EMPTY,
            reason(fetch(Fake { ByteArrayInputStream(ByteArray(0)) })),
        )
        assertFalse(into.exists())
    }

    @Test
    fun aFullStorage() {
        val fake = Fake { ByteArrayInputStream(ByteArray(100_000)) }
        val results = LinkedBlockingQueue<Result<File>>()
        // Linux answers every byte that is written there with ENOSPC.
        PhotoFetch(fake, into, write = { File("/dev/full").outputStream() }).start(results::put)
        assertEquals(NotFetched.NO_SPACE, reason(results.poll(10, TimeUnit.SECONDS)!!))
    }

    @Test
    fun moreThanAPhotoIsRefusedBeforeItFillsTheStorage() {
        val endless =
            object : InputStream() {
                override fun read(): Int = 0

                override fun read(into: ByteArray, offset: Int, count: Int): Int = count
            }
        val results = LinkedBlockingQueue<Result<File>>()
        val nowhere = { _: File -> File("/dev/null").outputStream() }
        PhotoFetch(Fake { endless }, into, write = nowhere).start(results::put)
        assertEquals(NotFetched.TOO_MANY_BYTES, reason(results.poll(60, TimeUnit.SECONDS)!!))
    }

    @Test
    fun everyReasonHasWordsOfItsOwn() {
        val reasons = NotFetched.values()
        assertEquals(reasons.size, reasons.map { it.title }.toSet().size)
        assertEquals(reasons.size, reasons.map { it.hint }.toSet().size)
    }

    private fun fetch(source: PhotoSource, patience: Patience = Patience()): Result<File> {
        val results = LinkedBlockingQueue<Result<File>>()
        PhotoFetch(source, into, patience).start(results::put)
        val result = results.poll(30, TimeUnit.SECONDS)
        assertNotNull("no answer", result)
        return result!!
    }

    private fun reason(result: Result<File>): NotFetched? =
        (result.exceptionOrNull() as? NotFetchedException)?.reason

    private fun await(what: String, condition: () -> Boolean) {
        val end = System.nanoTime() + 10_000_000_000
        while (!condition()) {
            assertTrue(what, System.nanoTime() < end)
            Thread.sleep(2)
        }
    }

    private class Fake(
        private val facts: SourceFacts = SourceFacts(),
        private val stream: () -> InputStream,
    ) : PhotoSource {
        val cancelled = CountDownLatch(1)

        override fun facts(): SourceFacts = facts

        override fun open(): InputStream = stream()

        override fun cancel() = cancelled.countDown()
    }

    private companion object {
        val SHORT = Patience(silenceMillis = 200, wholeMillis = 60_000)
    }
}

/** As an app that hangs: no interrupt and no cancellation ends it. */
internal fun sleep(): Nothing {
    while (true) runCatching { Thread.sleep(60_000) }
}
