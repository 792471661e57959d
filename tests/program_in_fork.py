"""The process that `program` forks: it has imported what commands import, and nothing that starts
a thread, which would not survive a fork."""

import atexit
import importlib
import json
import os
import pkgutil
import signal
import sys

import mobiledeploy
from mobiledeploy.cli.main import main

_LIBRARIES = "PIL.Image", "cattrs", "jinja2", "numpy", "onnx", "rich.progress"

for _module in pkgutil.walk_packages(mobiledeploy.__path__, "mobiledeploy."):
    if not _module.name.endswith(".__main__"):
        importlib.import_module(_module.name)
for _name in _LIBRARIES:
    importlib.import_module(_name)


def run(called: str) -> None:
    """Be the program with the arguments, the folder and the environment of a JSON text."""
    words, folder, environment = json.loads(called)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    try:
        main()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
