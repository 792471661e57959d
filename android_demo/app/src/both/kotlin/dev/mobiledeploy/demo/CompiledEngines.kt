package dev.mobiledeploy.demo

import dev.mobiledeploy.core.EngineFactory

/** The engines of this flavour, the first one chosen when the app starts. */
internal val compiledEngines: List<EngineFactory> = listOf(LiteRtEngine.Factory, OrtEngine.Factory)
