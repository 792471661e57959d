"""From a configuration to a build folder: the stages in order.

`build` runs them: read it first. `preflight` refuses before a photo is read what cannot work,
`stages` are the stages as functions, `resume` runs one or takes over its earlier result,
`selection` decides which candidate is shipped, `publish` writes the build folder's files.
"""
