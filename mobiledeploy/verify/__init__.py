"""Verification: do two files compute the same classifier, where do they differ, what is proven.

In come two files and images; out goes a report that names what differs. This room trusts no
file: it reads what it compares from the files themselves.

`pair`: verify two files that claim to be the same classifier.
`build`: verify a build folder.
`int8_pair`: the whole verification of two int8 files.
`contract_check`: whether a build's contract says what its files are.
`outputs`: do the outputs agree.
`layers`: where do the layers differ.
`proof`: what holds for all inputs.
`report`: `VerifyReport`, everything that was found, as plain data.
"""
