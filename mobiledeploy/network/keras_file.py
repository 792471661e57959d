"""Read a Keras weights or model file without Keras: no code in it can run.

`.keras`, `.weights.h5` and legacy `.h5`, weights only or whole models, as written by Keras 3,
tf.keras and Keras applications. Nothing is unpickled, no layer of the file is ever built, and
the HDF5 library, which damaged bytes can crash or hang, runs in a process of its own.
"""

from mobiledeploy.base import child_process
from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.base.files import Name, named
from mobiledeploy.network import keras_formats, stored_bytes
from mobiledeploy.network.match import Matched, match
from mobiledeploy.network.stored import Stored
from mobiledeploy.ops.architecture import Architecture


def load(path: Name, architecture: Architecture) -> Matched:
    """Read the weights of `architecture` from a Keras file.

    Raises:
        CorruptFileError: The file is missing, damaged or not a Keras file.
        RequestError: The weights are those of another network; names the layer and both shapes.
        MissingDependencyError: h5py is not installed.
    """
    return match(read(path), architecture)


def read(path: Name) -> Stored:
    """Read all weights that a Keras file holds.

    Raises:
        CorruptFileError: The file is missing, damaged or not a Keras file.
        MissingDependencyError: h5py is not installed.
    """
    path = named(path)
    if not path.exists():
        raise CorruptFileError(f"{path} does not exist")
    if not path.is_file():
        raise CorruptFileError(
            f"{path} is not a file",
            hint="a SavedModel folder is not supported: save the model as .keras or .weights.h5",
        )
    function = keras_formats.read_to_bytes
    return stored_bytes.load(child_process.call(function.__module__, function.__name__, str(path)))
