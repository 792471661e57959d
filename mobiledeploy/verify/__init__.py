"""Verification: do two files compute the same classifier, where do they differ, what is proven.

Takes two files and images; returns a report that names what differs. Nothing that a file or a
build states is trusted: all that is compared is read from the files' own bytes.

`pair`: verify two files that claim to be the same classifier.
`build`: verify a build folder.
`int8_pair`: the whole verification of two int8 files.
`contract_check`: whether a build's contract says what its files are.
`outputs`: whether the outputs agree on images.
`layers`: where the layers differ.
`proof`: what holds for every input.
`report`: `VerifyReport`, all results of a verification, as plain data.
"""
