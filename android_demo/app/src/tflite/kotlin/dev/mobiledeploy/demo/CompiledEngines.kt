package dev.mobiledeploy.demo

import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.engines.LiteRtEngine

/** The engines of this flavour: LiteRT alone. */
internal val compiledEngines: List<EngineFactory> = listOf(LiteRtEngine.Factory)
