"""TensorFlow Lite's Java classes on a desktop library give what LiteRT gives in Python."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from android import jvm

from mobiledeploy.formats.tflite import edit, parse
from mobiledeploy.runtimes import litert
from mobiledeploy.verify.outputs import golden

pytestmark = [pytest.mark.android, pytest.mark.timeout(600)]

SHIM = jvm.DEMO / "ci/tflite_jni"


def test_the_java_api_that_an_app_uses_gives_litert_results(
    compilers: jvm.Compilers,
    junit: tuple[Path, ...],
    runtimes: tuple[Path, ...],
    natives: Path,
    digits: Path,
    tmp_path: Path,
) -> None:
    pixels, _, _ = golden.read(digits / "golden.npz")
    codes = (pixels ^ np.uint8(128)).view(np.int8)
    model = (digits / "model.tflite").read_bytes()
    tapped = edit.tap(parse(model))
    scores, logits = litert.load(tapped).run(codes)
    _, builtin = litert.load(tapped, kernels="builtin").run(codes)
    for name, data in {
        "model.tflite": model,
        "tapped.tflite": tapped,
        "inputs": codes.tobytes(),
        "scores": scores.tobytes(),
        "logits": logits.tobytes(),
        "builtin": builtin.tobytes(),
    }.items():
        (tmp_path / name).write_bytes(data)
    tests = jvm.sources(SHIM / "test")
    classes = jvm.compiled(compilers, tests, [*runtimes, *junit])
    jvm.run_tests(
        compilers,
        tests,
        [classes, *runtimes],
        properties={"java.library.path": natives, "mobiledeploy.vectors": tmp_path},
        junit=junit,
    )


@pytest.mark.parametrize(
    ("version", "size", "says"),
    [
        ("2.19.0", 32, "fits"),
        ("2.19.0", 40, "XNNPACK's options have 40 bytes, expected 32"),
        ("2.20.0", 32, "the shim is for TensorFlow Lite 2.19.0, this library is 2.20.0"),
    ],
)
def test_a_library_with_another_struct_layout_is_refused(
    version: str, size: int, says: str, tmp_path: Path
) -> None:
    """Options of another layout would lose the flags: int8 would silently use other kernels."""
    library, program = tmp_path / "library.c", tmp_path / "program.c"
    library.write_text(
        "#include <string.h>\n"
        f'const char* TfLiteVersion(void) {{ return "{version}"; }}\n'
        f"void* TfLiteXNNPackDelegateOptionsDefault(void* r) {{ return memset(r, 0, {size}); }}\n"
        "void* TfLiteXNNPackDelegateCreate(const void* o) { return (void*)o; }\n"
    )
    program.write_text(
        f'#include "{SHIM}/xnnpack.h"\n'
        "int main(void) {\n"
        "  const char* problem = xnnpack_layout_problem();\n"
        '  fputs(problem ? problem : "fits", stdout);\n'
        "  return problem == NULL && xnnpack_create(1) == NULL;\n"
        "}\n"
    )
    out = tmp_path / "program"
    subprocess.run([jvm.tool("gcc"), "-o", out, program, library], check=True)
    assert subprocess.run([out], capture_output=True, text=True, check=True).stdout == says
