package dev.mobiledeploy.demo

import dev.mobiledeploy.core.Engine
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.engines.LiteRtEngine
import dev.mobiledeploy.engines.OrtEngine
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.GraphicsMode

/** Other apps and engines that hang or throw: the app says so, and works on. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class HostileTest {
    @Test
    fun anAppThatHangsIsGivenUpAndTheNextPhotoWorks() =
        Phone(Impatient::class.java).use {
            it.settle()
            it.pick("content://cloud/hung") { sleep() }
            it.settle()
            assertEquals("The photo does not arrive", it.problem()?.first)
            it.choose(TestFiles.upright)
            assertNull(it.problem())
            assertEquals(5, it.answers().size)
        }

    @Test
    fun aHungPhotoBlocksNothingAndCancellingKeepsTheOneBefore() =
        Phone().use {
            it.choose(TestFiles.upright)
            val before = it.answers()
            it.pick("content://cloud/hung") { sleep() }
            it.await("the wait") { it.text(R.id.status) == "Fetching the photo…" }
            // The worker is free: the self-test runs meanwhile.
            it.press(R.id.run_self_test)
            it.await("the verdict") { it.text(R.id.verdict).startsWith("Holds") }
            assertTrue(it.find<android.view.View>(R.id.cancel).isShown)
            it.press(R.id.cancel)
            it.settle()
            assertFalse(it.find<android.view.View>(R.id.cancel).isShown)
            assertNull(it.problem())
            assertEquals(before, it.answers())
            assertNotNull(it.photo())
        }

    @Test
    fun aPhotoThatHangsIsReplacedByTheNextChoice() =
        Phone().use {
            it.settle()
            it.pick("content://cloud/hung") { sleep() }
            it.pick("content://photos/good") { TestFiles.upright.inputStream() }
            it.settle()
            assertNull(it.problem())
            assertEquals(5, it.answers().size)
        }

    @Test
    fun aHungPhotoDoesNotKeepTheScreenFromClosing() {
        val phone = Phone()
        phone.settle()
        phone.pick("content://cloud/hung") { sleep() }
        phone.close()
    }

    @Test
    fun whatAnAppThrowsWhileItIsReadHasItsWords() =
        Phone().use {
            val cases: Map<String, Throwable> =
                mapOf(
                    "This photo may not be read any more" to SecurityException(),
                    "This photo is no longer there" to FileNotFoundException(),
                    "The other app did not give the photo" to IOException(),
                    "Not enough memory" to OutOfMemoryError(),
                )
            for ((words, error) in cases) {
                it.settle()
                it.pick("content://photos/$words") {
                    object : InputStream() {
                        override fun read(): Int = throw error
                    }
                }
                it.settle()
                assertEquals(words, it.problem()?.first)
                assertNull(it.photo())
            }
        }

    @Test
    fun whateverAnEngineThrowsIsSaidAndTheOtherEngineWorks() {
        val cases =
            mapOf(
                "Something went wrong in this app" to IllegalStateException("of the engine"),
                "Not enough memory" to OutOfMemoryError(),
                "Something went wrong in this app " to StackOverflowError(),
            )
        for ((words, error) in cases) {
            Throwing.error = error
            Phone(WithThrowingEngine::class.java).use {
                it.choose(TestFiles.upright)
                assertEquals(words.trim(), it.problem()?.first)
                assertFalse(it.text(R.id.status) == "Working…")
                it.press(R.id.run_self_test)
                it.settle()
                assertEquals(words.trim(), it.problem()?.first)
                it.press(R.id.engines, "ONNX Runtime")
                assertNull(it.problem())
                assertEquals(5, it.answers().size)
            }
        }
    }

    @Test
    fun theSelfTestCanBeCancelled() {
        Phone(WithSlowEngine::class.java).use {
            it.settle()
            it.press(R.id.run_self_test)
            it.await("progress") {
                it.find<android.widget.ProgressBar>(R.id.self_test_progress).progress > 0
            }
            assertTrue(it.text(R.id.verdict), it.text(R.id.verdict).startsWith("Testing LiteRT"))
            it.press(R.id.cancel_self_test)
            it.settle()
            assertNull(it.problem())
            assertTrue(it.text(R.id.verdict), it.text(R.id.verdict).startsWith("Runs the model"))
            assertTrue(it.find<android.view.View>(R.id.run_self_test).isShown)
        }
    }
}

internal class Impatient : MainActivity() {
    override val patience = Patience(silenceMillis = 300, wholeMillis = 60_000)
}

/** An engine that opens and fails when it runs, in a way that no engine should. */
private object Throwing : EngineFactory by LiteRtEngine.Factory {
    lateinit var error: Throwable

    override fun open(model: ByteBuffer, threads: Int): Engine {
        val engine = LiteRtEngine.Factory.open(model, threads)
        return object : Engine by engine {
            override fun run(input: ByteBuffer): List<ByteBuffer> = throw error
        }
    }
}

internal class WithThrowingEngine : MainActivity() {
    override val engines = listOf(Throwing, OrtEngine.Factory)
}

/** So slow that a finger can press a button in between. */
private object Slow : EngineFactory by LiteRtEngine.Factory {
    override fun open(model: ByteBuffer, threads: Int): Engine {
        val engine = LiteRtEngine.Factory.open(model, threads)
        return object : Engine by engine {
            override fun run(input: ByteBuffer): List<ByteBuffer> {
                Thread.sleep(200)
                return engine.run(input)
            }
        }
    }
}

internal class WithSlowEngine : MainActivity() {
    override val engines = listOf(Slow, OrtEngine.Factory)
}
