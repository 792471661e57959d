"""Where downloads are kept between runs."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "MOBILEDEPLOY_CACHE"
"""Environment variable with another folder than `~/.cache/mobiledeploy`."""


def folder() -> Path:
    """Return the cache folder, which may not exist yet."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "mobiledeploy"
