"""The `mobiledeploy` program, one module per command. Heavy imports are inside the commands.

`main`: the program: its commands and its exit statuses.
`build`: `mobiledeploy build`.
`verify`: `mobiledeploy verify`.
`predict`: `mobiledeploy predict`.
`explain`: `mobiledeploy explain`.
`bundle`: `mobiledeploy bundle`.
`inspect`: `mobiledeploy inspect`.
`cost`: `mobiledeploy cost`.
`quantize`: `mobiledeploy quantize`.
`convert`: `mobiledeploy convert`.
`tools`: `mobiledeploy tools`.
`_options`: options that several commands share.
`_output`: printing of data, messages and progress.
`_verify_summary`: the summary that `verify` prints.
`_verify_tables`: the tables and findings that `verify --verbose` prints.
`_verify_golden`: `verify` of golden vectors on a phone or on emulated CPUs.
"""
