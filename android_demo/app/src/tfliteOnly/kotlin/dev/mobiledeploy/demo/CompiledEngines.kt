package dev.mobiledeploy.demo

import dev.mobiledeploy.core.EngineFactory

/** The engines of this flavour: LiteRT alone. */
internal val compiledEngines: List<EngineFactory> = listOf(LiteRtEngine.Factory)
