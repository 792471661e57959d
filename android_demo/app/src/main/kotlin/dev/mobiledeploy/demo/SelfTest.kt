package dev.mobiledeploy.demo

import android.app.Activity
import android.app.Instrumentation
import android.os.Bundle
import dev.mobiledeploy.android.AssetFiles
import dev.mobiledeploy.core.EngineFactory

/**
 * Runs the golden vectors without a screen, for `mobiledeploy verify --device`:
 *
 *     adb shell am instrument -w -r -e threads 1 dev.mobiledeploy.demo/.SelfTest
 *
 * The result is one line of JSON under `mobiledeploy` (`docs/schemas/selftest.schema.json`), or a
 * sentence under `mobiledeploy_error` where the golden vectors cannot be run at all.
 */
public open class SelfTest : Instrumentation() {
    private var threads = 1

    /** What this flavour was built with, and where its model is; tests put others in. */
    internal open val engines: List<EngineFactory>
        get() = compiledEngines

    internal open val modelFolder: String
        get() = AssetFiles.FOLDER

    override fun onCreate(arguments: Bundle?) {
        super.onCreate(arguments)
        // The shell's arguments are texts.
        threads = arguments?.getString(THREADS)?.toIntOrNull()?.coerceIn(1, MOST_THREADS) ?: 1
        start()
    }

    override fun onStart() {
        val result = Bundle()
        val code =
            try {
                val context = targetContext
                val worker =
                    Worker(
                        AssetFiles(context.assets, modelFolder),
                        engines,
                        PhotoReader { Device.freeBytes(context) },
                    )
                val verdict = worker.use { it.selfTest(threads, Device.facts()) }
                result.putString(RESULT, verdict.toJson())
                Activity.RESULT_OK
            } catch (e: Throwable) { // An Error would end the process without a sentence.
                val resources = targetContext.resources
                val problem = problemOf(e)
                result.putString(ERROR, "${problem.title(resources)}. ${problem.hint(resources)}")
                Activity.RESULT_CANCELED
            }
        finish(code, result)
    }

    public companion object {
        /** Key of the verdict. */
        public const val RESULT: String = "mobiledeploy"

        /** Key of a sentence that says why there is none. */
        public const val ERROR: String = "mobiledeploy_error"

        private const val THREADS = "threads"
        private const val MOST_THREADS = 16
    }
}
