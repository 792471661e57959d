"""Start-up stays fast because nothing heavy is imported: counted, not timed."""

import subprocess
import sys
from pathlib import Path

import graphs
import pytest

from mobiledeploy.targets import tflite

HEAVY = {
    "PIL", "ai_edge_litert", "cattrs", "h5py", "keras", "numpy", "onnx", "onnxruntime", "rich",
    "sklearn", "tensorflow", "tensorflow_model_optimization", "tf2onnx", "tf_keras",
}  # fmt: skip
PROBE = """
import sys
sys.argv = ["mobiledeploy", *{args!r}]
try:
    from mobiledeploy.cli.main import main
    main()
except SystemExit:
    pass
print("\\n".join(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["build", "--help"],
        ["verify", "--help"],
        ["predict", "--help"],
        ["bundle", "--help"],
        ["inspect", "--help"],
        ["cost", "--help"],
    ],
)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(args=args)], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stderr.split()}
    assert not loaded & HEAVY
    assert run.stdout


def test_costs_are_counted_with_numpy_alone() -> None:
    """An operator's module counts its work, and holds its arithmetic beside."""
    program = PROBE.format(args=["cost", "--layers"])
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stderr.split()}
    assert loaded & HEAVY == {"numpy"}
    assert run.stdout


def test_a_tflite_is_inspected_with_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.write(graphs.assorted_graph()))
    program = PROBE.format(args=["inspect", str(path)])
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stderr.split()}
    assert loaded & HEAVY == {"numpy"}
    assert "TFLite, int8" in run.stdout
