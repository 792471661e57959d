package dev.mobiledeploy.engines

import ai.onnxruntime.OrtEnvironment
import dev.mobiledeploy.core.EngineFactory
import org.tensorflow.lite.Interpreter

/**
 * The engines whose runtimes the app holds, LiteRT first: this library does not bring them.
 *
 * Both the engine's class, which some machines check against the runtime's when they load it, and
 * the runtime's own are touched: either fails where the runtime is missing.
 */
public fun linkedEngines(): List<EngineFactory> =
    listOfNotNull(
        linked { LiteRtEngine.Factory.also { Interpreter::class.java.name } },
        linked { OrtEngine.Factory.also { OrtEnvironment::class.java.name } },
    )

private inline fun linked(engine: () -> EngineFactory): EngineFactory? =
    try {
        engine()
    } catch (_: NoClassDefFoundError) {
        null
    }
