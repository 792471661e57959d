package dev.mobiledeploy.demo

import android.content.Intent
import android.provider.MediaStore
import dev.mobiledeploy.core.Engine
import dev.mobiledeploy.core.EngineException
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.core.ModelFormat
import dev.mobiledeploy.engines.OrtEngine
import java.io.File
import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.GraphicsMode

/** Whatever is wrong, the screen says what and what to do, and goes on. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ProblemsTest {
    @Test
    fun noModel() =
        Phone(BrokenBundles.NoModel::class.java).use {
            it.settle()
            assertEquals("No model in this app", it.problem()?.first)
            assertTrue(it.problem()!!.second.contains("mobiledeploy bundle"))
            for (id in listOf(R.id.live, R.id.choose, R.id.take, R.id.run_self_test)) assertFalse(
                it.find<android.view.View>(id).isEnabled
            )
        }

    @Test
    fun aDamagedModelIsFoundByItsDigest() =
        says(BrokenBundles.Damaged::class.java, "This model cannot be used", "SHA-256")

    @Test
    fun aDamagedContract() =
        Phone(BrokenBundles.NoContract::class.java).use {
            it.settle()
            assertEquals("This model cannot be used", it.problem()?.first)
            assertTrue(it.problem()!!.second, it.problem()!!.second.contains("not JSON"))
        }

    @Test
    fun aModelThatDoesNotFitItsContract() =
        says(BrokenBundles.Mismatch::class.java, "This model cannot be used", "uint8")

    @Test
    fun aModelThatTheEngineRefuses() =
        says(BrokenBundles.Nonsense::class.java, "LiteRT does not start", "The engine says")

    @Test
    fun aMissingNativeLibraryIsToldAndTheOtherEngineWorks() =
        Phone(WithoutLibrary::class.java).use {
            it.choose(TestFiles.upright)
            assertEquals("Ghost does not start", it.problem()?.first)
            assertTrue(it.problem()!!.second.contains("native library"))
            assertTrue(it.answers().isEmpty())
            it.press(R.id.engines, "ONNX Runtime")
            assertNull(it.problem())
            assertEquals(5, it.answers().size)
        }

    @Test
    fun filesThatAreNoPhotosAreRefusedAndTheNextPhotoWorks() =
        Phone().use {
            val files = TestFiles.broken.listFiles()!!.sorted()
            assertTrue("no files", files.size >= 5)
            for (file in files) {
                it.choose(file)
                val words =
                    if (file.length() == 0L) "This photo is empty" else "This photo cannot be read"
                assertEquals(file.name, words, it.problem()?.first)
                assertNull(file.name, it.photo())
                assertTrue(file.name, it.answers().isEmpty())
            }
            it.choose(TestFiles.upright)
            assertNull(it.problem())
            assertEquals(5, it.answers().size)
        }

    @Test
    fun aPhotoThatIsGone() =
        Phone().use {
            it.choose(File(TestFiles.photos, "gone.jpg"))
            assertEquals("This photo is no longer there", it.problem()?.first)
        }

    @Test
    fun aPhotoWhoseAppFails() =
        Phone().use {
            it.settle()
            it.pick("content://photos/faulty") { error("a fault of the other app") }
            it.settle()
            assertEquals("The other app did not give the photo", it.problem()?.first)
        }

    @Test
    fun aPhotoThatDoesNotFitInMemoryIsRefusedBeforeItIsDecoded() =
        Phone().use {
            it.free(4_000_000)
            it.choose(File(TestFiles.photos, "large.jpg"))
            assertEquals("This photo is too large for this phone", it.problem()?.first)
            assertTrue(it.problem()!!.second, it.problem()!!.second.contains("6.0 megapixels"))
        }

    @Test
    fun cancellingKeepsWhatIsThere() =
        Phone().use {
            it.choose(TestFiles.upright)
            val before = it.said()
            for (button in listOf(R.id.choose, R.id.take)) {
                it.press(button)
                it.answer(shadowOf(it.activity).nextStartedActivityForResult.intent, null)
                it.settle()
                assertEquals(before, it.said())
            }
        }

    @Test
    fun noCameraAppAndNoPicker() =
        Phone().use {
            it.settle()
            shadowOf(RuntimeEnvironment.getApplication()).checkActivities(true)
            it.press(R.id.take)
            assertEquals("No camera app", it.problem()?.first)
            it.press(R.id.choose)
            assertEquals("No app to choose a photo", it.problem()?.first)
        }

    @Test
    fun aCameraAppThatGivesNothingBack() =
        Phone().use {
            it.settle()
            it.press(R.id.take)
            it.answer(shadowOf(it.activity).nextStartedActivityForResult.intent, Intent())
            it.settle()
            assertTrue(it.problem()!!.second.contains("camera app gave no photo"))
        }

    @Test
    fun thePhotoPickerIsAskedFirst() =
        Phone().use {
            it.settle()
            it.press(R.id.choose)
            val request = shadowOf(it.activity).nextStartedActivityForResult.intent
            assertEquals(MediaStore.ACTION_PICK_IMAGES, request.action)
            assertEquals("image/*", request.type)
        }

    /** What the screen says when a photo is chosen. */
    private fun says(screen: Class<out MainActivity>, title: String, part: String) =
        Phone(screen).use {
            it.choose(TestFiles.upright)
            assertEquals(title, it.problem()?.first)
            assertTrue(it.problem()!!.second, it.problem()!!.second.contains(part))
            assertTrue(it.answers().isEmpty())
        }
}

/** An engine whose library is missing, as on a phone with another ABI. */
private object Ghost : EngineFactory {
    override val title = "Ghost"
    override val format = ModelFormat.TFLITE

    override fun open(model: ByteBuffer, threads: Int): Engine =
        try {
            System.loadLibrary("ghost_that_is_not_here")
            error("it cannot be here")
        } catch (e: UnsatisfiedLinkError) {
            throw EngineException("its native library cannot be loaded: ${e.message}", e)
        }
}

internal class WithoutLibrary : MainActivity() {
    override val engines = listOf(Ghost, OrtEngine.Factory)
}
