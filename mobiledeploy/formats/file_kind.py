"""Recognise files that are neither a `.tflite` nor an `.onnx`, by their first bytes.

An intact file of another kind is not damaged: the message says what it is and what reads it.
"""

import codecs
import io
import json
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from mobiledeploy.base import files
from mobiledeploy.base.errors import CorruptFileError, RequestError


class FileKind(NamedTuple):
    """A kind of file.

    Attributes:
        name: The kind in words, with its article.
        hint: How to use such a file; None if we know no use.
    """

    name: str
    hint: str | None = None


_WEIGHTS: Final = (
    "start a build from it: `mobiledeploy build --weights FILE`; the built files can be inspected "
    "and verified"
)
_QUANTIZE: Final = (
    "make a .tflite and an .onnx of it: `mobiledeploy quantize FILE`; `mobiledeploy inspect FILE` "
    "says whether that takes it"
)
_TORCH: Final = "export it (`torch.onnx.export`) and name the .onnx"
_SAVED: Final = (
    "save the model as one file (`model.save('model.keras')`), or convert it to a .tflite "
    "(`tf.lite.TFLiteConverter.from_saved_model`), and name that"
)
_GRAPH: Final = "convert it to an .onnx (`python -m tf2onnx.convert --graphdef`), name that"
_CHECKPOINT: Final = "a checkpoint holds weights alone: save the whole model"
_TABLE: Final = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
"""Last bytes of the index of a TensorFlow checkpoint."""
_PHOTOS: Final = "photos go with a model: `mobiledeploy verify A.tflite B.onnx --data FOLDER`"
_SAVE_AGAIN: Final = "save the whole model again (`model.save('model.keras')`)"
_UNPACK: Final = "unpack it, and name a .tflite or .onnx"

SAVED_MODEL: Final = FileKind("a TensorFlow SavedModel", _SAVED)

_STARTS: Final = (
    (b"\xff\xd8\xff", FileKind("a JPEG image", _PHOTOS)),
    (b"\x89PNG\r\n\x1a\n", FileKind("a PNG image", _PHOTOS)),
    (b"GIF8", FileKind("a GIF image", _PHOTOS)),
    (b"II*\0", FileKind("a TIFF image", _PHOTOS)),
    (b"MM\0*", FileKind("a TIFF image", _PHOTOS)),
    (b"\x1f\x8b", FileKind("a gzip archive", _UNPACK)),
    (b"BZh", FileKind("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\0", FileKind("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", _UNPACK)),
    (b"%PDF-", FileKind("a PDF document")),
    (b"\x93NUMPY", FileKind("a NumPy array (.npy)")),
    (b"GGUF", FileKind("a GGUF language model")),
    (b"\x7fELF", FileKind("a program or library (ELF)")),
    (b"version https://git-lfs", FileKind("a pointer of Git LFS, not the file", "`git lfs pull`")),
    *(
        (b"\x80%c" % protocol, FileKind("a Python pickle, as old PyTorch writes it", _TORCH))
        for protocol in range(2, 6)
    ),
)
KERAS_PARTS: Final = frozenset({"config.json", "model.weights.h5"})
_KERAS: Final = FileKind("a Keras model (.keras: its configuration and weights)", _QUANTIZE)
_KERAS_H5: Final = FileKind("a Keras model (HDF5: its configuration and weights)", _QUANTIZE)
_KERAS_WEIGHTS: Final = FileKind("a Keras weights file (HDF5, without the model)", _WEIGHTS)
_BUILD_FILE: Final = "name a model file, such as the .tflite or .onnx in a build's folder"
_PLAIN_TEXT: Final = FileKind("a text file", _BUILD_FILE)
_MODELS: Final = (".tflite", ".onnx")
_ZIP: Final = b"PK\x03\x04"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
MOST_KERAS: Final = 1 << 31
"""Largest file in bytes that is looked into for a Keras model."""
_TEXT: Final = 512
"""Leading bytes that must all be text for a file to be called a text file."""


def require_file(path: Path, *, hint: str) -> None:
    """Check that a path that a user named is a file, as `files.require_file` does.

    A folder that is a SavedModel is named as what it is.

    Raises:
        RequestError: There is no such file, or it is a folder or a device.
    """
    if (path / "saved_model.pb").is_file():
        raise RequestError(
            f"expected a file, received the folder {files.printable(path)}: {SAVED_MODEL.name}",
            hint=SAVED_MODEL.hint,
        )
    files.require_file(path, hint=hint)


def is_keras_model(path: Path) -> bool:
    """Whether a file holds a whole Keras model: its configuration and weights.

    Raises:
        CorruptFileError: It begins like an archive and is damaged.
    """
    if not path.is_file() or path.stat().st_size > MOST_KERAS:
        return False
    with path.open("rb") as file:
        if not file.read(8).startswith((_ZIP, _HDF5)):
            return False
    return kind_of(str(path), path.read_bytes()) in (_KERAS, _KERAS_H5)


def require_model(name: str, data: bytes, *, expected: str = "a .tflite or an .onnx") -> None:
    """Check that a file is not recognisably of another kind than those that are expected.

    Args:
        name: The file's name, which messages show.
        data: The file's bytes; not those of an expected Keras file.
        expected: What is expected, in words.

    Raises:
        RequestError: It is an intact file of another kind; the message names it and its use.
        CorruptFileError: It is empty, or a damaged file of another kind.
    """
    if not data:
        raise CorruptFileError(f"{name} is empty", hint="get it again: its writing was cut off")
    kind = kind_of(name, data)
    if kind is not None:
        raise RequestError(
            f"{name} is {kind.name}, expected {expected}",
            hint=kind.hint or "name a .tflite or .onnx file, or a build folder",
        )


def kind_of(name: str, data: bytes) -> FileKind | None:
    """Return the kind of a file that is neither `.tflite` nor `.onnx`; None if not recognised.

    Raises:
        CorruptFileError: It begins like a file of a known kind, but is damaged.
    """
    if data.startswith(_HDF5):
        return _hdf5(data)
    if data.startswith((_ZIP, b"PK\x05\x06")):
        return _archive(name, data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FileKind("a WebP image", _PHOTOS)
    if data[4:8] == b"ftyp":
        return FileKind("an image or a film (HEIC, AVIF, MP4)", _PHOTOS)
    if data[257:262] == b"ustar":
        return FileKind("a tar archive", _UNPACK)
    if data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data):
        return FileKind("a safetensors file: weights without a network", _TORCH)
    if data.endswith(_TABLE):
        return FileKind("the index of a TensorFlow checkpoint", _CHECKPOINT)
    known = next((kind for start, kind in _STARTS if data.startswith(start)), None)
    kind = known or _protobuf(name) or _text(data)
    # A file named like a model that holds text is more likely a damaged model.
    return None if kind is _PLAIN_TEXT and name.lower().endswith(_MODELS) else kind


def _hdf5(data: bytes) -> FileKind:
    # HDF5 stores names of attributes and groups as plain text.
    if b"model_config" in data:
        return _KERAS_H5
    layers = b"layers" in data and b"vars" in data
    if layers or b"weight_names" in data or b"_layer_checkpoint_dependencies" in data:
        return _KERAS_WEIGHTS
    return FileKind("an HDF5 file that Keras did not write")


def _archive(name: str, data: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CorruptFileError(
            f"{name} begins like a zip archive, such as a .keras file, and is damaged: {error}"
        ) from error
    last = {member.rpartition("/")[2] for member in members}
    if set(members) >= KERAS_PARTS:
        return _KERAS
    if KERAS_PARTS & set(members):
        (missing,) = KERAS_PARTS - set(members)
        return FileKind(f"a Keras archive without its `{missing}`", _SAVE_AGAIN)
    if "data.pkl" in last:
        script = "constants.pkl" in last
        what = "a TorchScript module" if script else "a PyTorch checkpoint: weights, or a pickle"
        return FileKind(what, _TORCH)
    if "saved_model.pb" in last:
        return FileKind("a zip archive with a TensorFlow SavedModel", _SAVED)
    if "AndroidManifest.xml" in last:
        return FileKind("an Android package", "unpack it: its models are in `assets/`")
    if members and all(member.endswith(".npy") for member in members):
        return FileKind("an archive of NumPy arrays (.npz)")
    models = [member for member in members if member.endswith(_MODELS)]
    inside = f" that holds {models[0]}" if models else ""
    return FileKind(f"a zip archive{inside}", _UNPACK)


def _protobuf(name: str) -> FileKind | None:
    """Return the kind by the file's name: protobufs have no first bytes to recognise."""
    lower = name.lower()
    if lower.endswith("saved_model.pb"):
        return SAVED_MODEL
    if lower.endswith(".pb"):
        return FileKind("a TensorFlow graph (.pb) without a SavedModel around it", _GRAPH)
    if lower.endswith(".mlmodel"):
        return FileKind("a Core ML model")
    return None


def _text(data: bytes) -> FileKind | None:
    start = data[:_TEXT]
    if not start or not all(byte >= 32 or byte in b"\t\n\r\f" for byte in start):
        return None
    words = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if words.startswith((b"<!doctype html", b"<html")):
        return FileKind("a web page", "download the file itself: this is a web page about it")
    if words.startswith(b"<"):
        return FileKind("an XML file")
    if words.startswith((b"{", b"[")) and _is_json(data):
        return FileKind("a JSON file", _BUILD_FILE)
    try:
        # Incrementally, since the last character may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return None
    return _PLAIN_TEXT


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
