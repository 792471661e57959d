"""Verify a build on a phone over adb: the app answers the golden vectors, this machine compares.

In comes a build; out goes a report. What the phone sends is not trusted.

`verify`: runs a build's golden vectors in the app on a phone.
`adb`: finds a phone, runs commands on it, installs apps and copies files.
`self_test`: reads what the app's self-test prints.
`engine_report`: compares an engine's answers with the golden vectors.
`benchmark_model`: times a `.tflite` on the phone with TensorFlow Lite's own program.
"""
