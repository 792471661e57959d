"""The CPU and versions with which the numbers were measured."""

import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = (
    "ai-edge-litert",
    "ai-edge-quantizer",
    "litert-quantizer",
    "numpy",
    "onnx",
    "onnx2tf",
    "onnxruntime",
    "tensorflow",
    "tensorflow-model-optimization",
    "tf2onnx",
    "tf_keras",
)
INSTRUCTIONS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Instructions on which the speed of int8 depends."""


def describe() -> dict[str, str]:
    """Return the CPU and its instructions for int8."""
    fields: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "family": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "cores": str(os.cpu_count()),
        "int8 instructions": " ".join(name for name in INSTRUCTIONS if name in flags) or "none",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of the packages."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            installed[package] = "not installed"
    return installed
