package dev.mobiledeploy.demo

import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.engines.OrtEngine

/** The engines of this flavour: ONNX Runtime alone. */
internal val compiledEngines: List<EngineFactory> = listOf(OrtEngine.Factory)
