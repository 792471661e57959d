"""The settings and the results of a build: frozen dataclasses that are written to JSON.

`config`: the configuration of a build.
`channel_scaling`: how pixels become a network's input, channel by channel.
`defaults`: the defaults of a build, which depend on its data and weights.
`results`: the results of a build's stages.
`contract`: `contract.json`, everything that an app must know to use the models.
`manifest`: `manifest.json`, the list of a finished build's files with their digests.
"""
