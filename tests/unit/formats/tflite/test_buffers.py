"""Weights behind the flatbuffer, as in large files, are read like any others."""

import struct

import graphs
import numpy as np
import pytest
from tflite_editor import TfliteFile

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.formats.tflite import IDENTIFIER, edit, flatbuffer, parse
from mobiledeploy.integer import tflite_reader
from mobiledeploy.integer.graph import digest
from mobiledeploy.runtimes import litert
from mobiledeploy.targets import tflite


def moved_out(data: bytes) -> bytes:
    """The same file with every buffer behind the flatbuffer, 16-byte aligned."""
    edited = TfliteFile(data)
    buffers = edited.model.buffers
    contents = [None if buffer.data is None else bytes(buffer.data) for buffer in buffers]
    for buffer, content in zip(buffers, contents, strict=True):
        if content:
            buffer.data, buffer.offset, buffer.size = None, 16, len(content)
    file = bytearray(edited.bytes())
    tables = flatbuffer.root(bytes(file), IDENTIFIER).tables(4)
    for table, content in zip(tables, contents, strict=True):
        if content:
            file += b"\0" * (-len(file) % 16)
            place = table.place(1)
            assert place is not None
            struct.pack_into("<Q", file, place, len(file))
            file += content
    return bytes(file)


def test_a_file_with_buffers_behind_the_flatbuffer_holds_the_same_integers() -> None:
    graph = graphs.assorted_graph()
    data = moved_out(tflite.write(graph))
    assert digest(tflite_reader.read_file(data)) == digest(graph)


def test_litert_runs_buffers_behind_the_flatbuffer_and_a_tapped_copy_keeps_them() -> None:
    graph = graphs.assorted_graph()
    plain = tflite.write(graph)
    images = graphs.extremes(graph.input.shape)
    for got, expected in zip(
        litert.load(edit.tap(parse(moved_out(plain)))).run(images),
        litert.load(edit.tap(parse(plain))).run(images),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)


def test_a_file_cut_off_behind_the_flatbuffer_is_damaged() -> None:
    data = moved_out(tflite.write(graphs.assorted_graph()))
    with pytest.raises(CorruptFileError, match="expected a buffer at bytes"):
        tflite_reader.read_file(data[: len(data) - 1000])
