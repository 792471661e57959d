package dev.mobiledeploy.demo

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.os.Bundle
import dev.mobiledeploy.android.AssetFiles
import java.io.File
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

/** The golden vectors, from the button and from `am instrument`. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class SelfTestTest {
    @Test
    fun theButtonGivesAVerdictThatCanBeShared() =
        Phone().use {
            it.settle()
            it.press(R.id.run_self_test)
            it.settle()
            assertEquals("Holds: this phone computes what was built.", it.text(R.id.verdict))
            val rows = it.find<android.view.ViewGroup>(R.id.verdict_rows).children()
            assertEquals(2, rows.size)
            for ((row, engine) in rows.zip(listOf("LiteRT", "ONNX Runtime"))) {
                assertTrue(
                    row.text(R.id.verdict_engine),
                    row.text(R.id.verdict_engine).startsWith("✓ $engine "),
                )
                assertTrue(
                    row.text(R.id.verdict_detail),
                    row.text(R.id.verdict_detail)
                        .startsWith("16 golden images, logits exact, scores "),
                )
            }
            assertTrue(it.text(R.id.device).contains("API 35"))
            it.press(R.id.share)
            val chooser = shadowOf(it.activity).nextStartedActivity
            assertEquals(Intent.ACTION_CHOOSER, chooser.action)
            val sent = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
            assertEquals("text/plain", sent.type)
            val text = sent.getStringExtra(Intent.EXTRA_TEXT)!!
            for (part in listOf("holds", "LiteRT", "ONNX Runtime", "page_size", "abi")) assertTrue(
                text,
                text.contains(part),
            )
        }

    @Test
    fun wrongGoldenVectorsFail() =
        Phone(BrokenBundles.WrongGolden::class.java).use {
            it.settle()
            it.press(R.id.run_self_test)
            it.settle()
            assertNull(it.problem())
            assertTrue(it.text(R.id.verdict), it.text(R.id.verdict).startsWith("Does not hold"))
            val rows = it.find<android.view.ViewGroup>(R.id.verdict_rows).children()
            assertEquals(2, rows.size)
            for (row in rows) {
                assertTrue(row.text(R.id.verdict_engine).startsWith("✗"))
                assertTrue(
                    row.text(R.id.verdict_detail),
                    row.text(R.id.verdict_detail).contains("logits differ"),
                )
            }
        }

    @Test
    fun instrumentationGivesOneLineOfJson() {
        val (code, result) = instrument(arguments = Bundle().apply { putString("threads", "2") })
        assertEquals(Activity.RESULT_OK, code)
        assertNull(result.getString(SelfTest.ERROR))
        val json = result.getString(SelfTest.RESULT)!!
        assertFalse(json.contains('\n'))
        assertTrue("${json.length} characters", json.length < 400_000)
        File(TestFiles.property("verdict")).writeText(json)
    }

    @Test
    fun instrumentationSaysWhyThereIsNoVerdict() {
        val (code, result) = instrument(folder = "none")
        assertEquals(Activity.RESULT_CANCELED, code)
        assertNull(result.getString(SelfTest.RESULT))
        assertTrue(
            result
                .getString(SelfTest.ERROR)!!
                .startsWith("No model in this app. Run “mobiledeploy bundle”")
        )
    }

    private fun instrument(
        arguments: Bundle? = null,
        folder: String = AssetFiles.FOLDER,
    ): Pair<Int, Bundle> {
        var given: Pair<Int, Bundle>? = null
        val test =
            object : SelfTest() {
                override val modelFolder = folder

                override fun getTargetContext(): Context = RuntimeEnvironment.getApplication()

                override fun start() = Unit // A thread of its own, which calls onStart: below.

                override fun finish(code: Int, results: Bundle?) {
                    given = code to results!!
                }
            }
        test.onCreate(arguments)
        test.onStart()
        return given!!
    }
}
