package dev.mobiledeploy.demo

import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.engines.LiteRtEngine
import dev.mobiledeploy.engines.OrtEngine

/** The engines of this flavour, the first one chosen when the app starts. */
internal val compiledEngines: List<EngineFactory> = listOf(LiteRtEngine.Factory, OrtEngine.Factory)
