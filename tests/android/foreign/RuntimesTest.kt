package com.example.foreign

import dev.mobiledeploy.android.MobileDeploy
import dev.mobiledeploy.core.BundleException
import dev.mobiledeploy.core.EngineException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

/** The library takes the runtime that the app holds, and says what is missing. */
@RunWith(RobolectricTestRunner::class)
class RuntimesTest {
    private val context = RuntimeEnvironment.getApplication()
    private val runtimes = System.getProperty("mobiledeploy.runtimes")!!

    @Test
    fun theRuntimeThatIsThereIsTaken() {
        if (runtimes == "ONNX Runtime") {
            MobileDeploy.open(context).use { model ->
                assertTrue(model.title, model.title.startsWith("ONNX Runtime"))
                assertTrue(model.selfTest().toText(), model.selfTest().holds)
                assertEquals(1, model.selfTest().engines.size)
            }
        } else {
            val none = assertThrows(EngineException::class.java) { MobileDeploy.open(context) }
            assertTrue(none.message, "holds no runtime" in none.message)
        }
    }

    @Test
    fun aModelThatWasLeftOutIsNamed() {
        if (runtimes != "ONNX Runtime") return
        val error = assertThrows(BundleException::class.java) { MobileDeploy.open(context, folder = "tflite only") }
        assertEquals(
            "expected among the app's assets model.onnx for ONNX Runtime: run `mobiledeploy bundle` " +
                "with this `--engine`",
            error.message,
        )
    }
}
