"""The variables of a whole Keras model, by the file's own names of its layers.

Files of Keras 3 and 2.12 or later group them by class (`layers/conv2d_7/vars/0`) and, since 3.6,
say the layer's name beside them. `.h5` files group them by outermost layer and name each
(`trunk/Conv1/kernel:0`). A layer's variables are found by these names only, never by order among
layers or by shape.
"""

import dataclasses
import functools
import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.network.hdf5 import Dataset, Group, entry, groups, numbers, string, strings
from mobiledeploy.network.keras_config import ConfigLayer

Array: TypeAlias = npt.NDArray[Any]
Layout: TypeAlias = Literal["class", "layer"]
"""Whether groups are named by class, or by layer."""

ROOTS: Final = ("layers", "_layer_checkpoint_dependencies")
"""The outermost group by class; Keras 2.12 used the second name."""
_VARS: Final = "/vars/"
_SIZE: Final = struct.Struct("<Q")
_DTYPES: Final = {
    np.dtype(f"<{kind}{size}").str: np.dtype(f"<{kind}{size}")
    for kind, sizes in (("f", (4,)), ("i", (1, 2, 4, 8)), ("u", (1, 2, 4, 8)))
    for size in sizes
}
_HEADER: Final = ("origin", "config", "version", "layout", "names")
"""What a file is but its arrays."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable:
    """One variable of a layer.

    Attributes:
        role: Its name within the layer, such as `kernel`; empty where the file only numbers them.
        array: Its values: float32, or whole numbers.
    """

    role: str
    array: Array


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class KerasFile:
    """A whole-model file, not interpreted.

    Attributes:
        origin: The file's name, for messages.
        config: The model's configuration (JSON).
        version: Version of Keras that wrote it; empty where the file does not say.
        layout: How the variables' paths are made.
        names: Names of layers by their group, where the file says them.
        arrays: The variables by path.
    """

    origin: str
    config: str
    version: str
    layout: Layout
    names: Mapping[str, str]
    arrays: Mapping[str, Array]

    @functools.cached_property
    def _below(self) -> Mapping[str, list[str]]:
        """Paths of the variables by the outermost layer."""
        below: dict[str, list[str]] = {}
        for path in self.arrays:
            below.setdefault(path.partition("\n")[0], []).append(path)
        return below

    @functools.cached_property
    def _named(self) -> Mapping[tuple[str, str], list[str]]:
        """Groups by the group around them and the layer's name that the file says."""
        named: dict[tuple[str, str], list[str]] = {}
        for path, name in self.names.items():
            named.setdefault((path.rpartition("/")[0], name), []).append(path)
        return named

    def variables(self, layer: ConfigLayer) -> tuple[Variable, ...]:
        """Return the variables of a layer; none where the file has none for it.

        Raises:
            CorruptFileError: Several layers of the file have its name.
        """
        if self.layout == "class":
            prefix = f"{self._group(layer)}{_VARS}"
            return _numbered(self.arrays, prefix)
        top = (*layer.parents, layer.name)[0]
        inside = self._below.get(top, ())
        if not layer.parents:
            return tuple(Variable(role=_role(path), array=self.arrays[path]) for path in inside)
        owners: dict[str, list[Variable]] = {owner: [] for owner in map(_owner, inside)}
        for path in inside:
            owners[_owner(path)].append(Variable(role=_role(path), array=self.arrays[path]))
        chain = (*layer.parents[1:], layer.name)
        # Keras 2 takes names with slashes, such as `layer1/conv`.
        named = [owner for owner in owners if f"/{owner}".endswith(f"/{layer.name}")]
        if len(named) > 1:
            # Those with all names of the models between; `conv` comes before `tail/conv`.
            whole = [owner for owner in named if f"/{owner}".endswith(f"/{'/'.join(chain)}")]
            shortest = min((owner.count("/") for owner in whole), default=0)
            named = [owner for owner in whole if owner.count("/") == shortest] or named
        if len(named) > 1:
            raise CorruptFileError(
                f"{self.origin}: two layers of `{top}` are named `{layer.name}`"
            )
        # tf.keras names the statistics of a Normalization without its layer.
        if not named and layer.class_name == "Normalization" and "" in owners:
            named = [""]
        return tuple(owners[named[0]]) if named else ()

    def _group(self, layer: ConfigLayer) -> str:
        """Return the group of a layer: by its name if the file says names, else by its class."""
        # `layers/functional/layers/conv2d_1`: one class for each name.
        classes = layer.path.removeprefix(f"{ROOTS[0]}/").split(f"/{ROOTS[0]}/")
        group = ""
        for name, by_class in zip((*layer.parents, layer.name), classes, strict=True):
            below = f"{group}{ROOTS[0]}/"
            named = self._named.get((below.removesuffix("/"), name), [])
            if len(named) > 1:
                raise CorruptFileError(f"{self.origin}: two layers are named `{name}`")
            path = named[0] if named else f"{below}{by_class}"
            if not named and self.names.get(path, name) != name:
                return ""  # the file says that this group is another layer's
            group = f"{path}/"
        return group.removesuffix("/")


def _numbered(arrays: Mapping[str, Array], prefix: str) -> tuple[Variable, ...]:
    variables: list[Variable] = []
    while (path := f"{prefix}{len(variables)}") in arrays:
        variables.append(Variable(role="", array=arrays[path]))
    return tuple(variables)


def _owner(path: str) -> str:
    return path.partition("\n")[2].rpartition("/")[0]


def _role(path: str) -> str:
    return path.rpartition("\n")[2].rpartition("/")[2].partition(":")[0]


def groups_by_class(file: Group) -> Iterator[tuple[str, Group]]:
    """Yield the path of each layer that has variables, and their group."""
    for root in ROOTS:
        top = entry(file, root)
        for path, group in groups(top, root) if top is not None else ():
            variables = entry(group, "vars")
            if variables is not None:
                yield path, variables


def numbered(variables: Group) -> list[Dataset]:
    """Return the data sets 0, 1, 2 ... of a group."""
    datasets: list[Dataset] = []
    while (dataset := entry(variables, str(len(datasets)))) is not None:
        datasets.append(dataset)
    return datasets


def groups_by_layer(weights: Group) -> Iterator[tuple[str, Group, list[str]]]:
    """Yield names of layers, their groups, and the paths of their variables, in running order.

    Args:
        weights: The group with the attribute `layer_names`.

    Raises:
        CorruptFileError: A group is not there.
    """
    for name in strings(weights, "layer_names"):
        group = entry(weights, name)
        if group is None:
            raise CorruptFileError(f"`{name}` is listed in the file, but not there")
        yield name, group, strings(group, "weight_names")


def read_by_class(file: Group) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the layers' names and the variables of a file with groups named by class."""
    names: dict[str, str] = {}
    datasets: dict[str, Dataset] = {}
    for place, variables in groups_by_class(file):
        path = place.replace(ROOTS[1], ROOTS[0])
        if name := string(variables, "name"):
            names[path] = name
        for number, dataset in enumerate(numbered(variables)):
            datasets[f"{path}{_VARS}{number}"] = dataset
    return names, numbers(datasets)


def read_by_layer(weights: Group) -> dict[str, Array]:
    """Return the variables of a file with groups named by layer, as `group, newline, path`."""
    datasets: dict[str, Dataset] = {}
    for name, group, paths in groups_by_layer(weights):
        for path in paths:
            dataset = entry(group, path)
            if dataset is None:
                raise CorruptFileError(f"`{path}` is listed in the file, but not there")
            datasets[f"{name}\n{path}"] = dataset
    return numbers(datasets)


def to_bytes(file: KerasFile) -> bytes:
    """Return a file for the transfer from the child process that reads it.

    The size of a header, the header (JSON), and the bytes of the arrays.
    """
    arrays = [np.ascontiguousarray(array) for array in file.arrays.values()]
    header = {
        **{key: getattr(file, key) for key in _HEADER},
        "arrays": [
            (path, array.dtype.newbyteorder("<").str, array.shape)
            for path, array in zip(file.arrays, arrays, strict=True)
        ],
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _SIZE.size)  # so that the arrays are aligned
    # Little-endian as the header says, whatever the machine.
    parts = [array.astype(array.dtype.newbyteorder("<"), copy=False).data for array in arrays]
    return b"".join([_SIZE.pack(len(text)), text, *parts])


def from_bytes(data: bytes) -> KerasFile:
    """Return the file that `to_bytes` wrote.

    Raises:
        CorruptFileError: The bytes are something else: a hostile file misled the child process.
    """
    arrays: dict[str, Array] = {}
    try:
        (size,) = _SIZE.unpack_from(data)
        place = _SIZE.size + size
        header = json.loads(data[_SIZE.size : place])
        for path, name, shape in header["arrays"]:
            dtype = _DTYPES[name]
            count = math.prod(shape)
            arrays[path] = np.frombuffer(data, dtype, count, place).reshape(shape)
            place += count * dtype.itemsize
        return KerasFile(**{key: header[key] for key in _HEADER}, arrays=arrays)
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise CorruptFileError(
            f"the weights read by the child process are damaged: {error}"
        ) from error
