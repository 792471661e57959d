"""Into the app: assets, contract and golden vectors, whole or not at all.

In comes a verified build; out goes an Android project that carries it.
"""
