"""What is asked for and what is said of the result: frozen, checked when made, JSON by `codec`.

`config` is a build's configuration, `defaults` decides what a user left open. `input_scaling`
names the ranges of input that a network may take. `results` is what stages return, `contract`
what an app must know, `manifest` the list of a build's files.
"""
