"""Say where a file contradicts itself, when a runtime refuses it."""

from mobiledeploy.base.errors import CorruptFileError
from mobiledeploy.reading import Reading
from mobiledeploy.reading import ShapeContradiction as Contradiction
from mobiledeploy.reading import StoredLayer as Layer


def explained(file: str, found: Reading, error: CorruptFileError) -> CorruptFileError | None:
    """Return an error that names the first layer whose shapes contradict each other.

    Files like that are not always refused: LiteRT computes shapes itself, and fails only where
    they do not fit together further on.

    Args:
        file: Its name.
        found: Its layers.
        error: What the runtime says.

    Returns:
        None if no layer contradicts itself, so that the runtime's words are all there is.
    """
    for layer in found.layers:
        for fault in layer.faults:
            if fault.contradiction is not None:
                return CorruptFileError(
                    f"{file} contradicts itself: {_words(layer, fault.contradiction)}; {error}",
                    hint="the padding or a stated shape was changed after the file was made: have "
                    "the program that wrote it write it anew",
                )
    return None


def _words(layer: Layer, found: Contradiction) -> str:
    padding = f" with padding {found.padding}" if found.padding else ""
    return (
        f"{layer.op} `{layer.name.partition(';')[0]}`{padding} makes {_by(found.given)} of "
        f"{_by(found.source)}, but the file states {_by(found.stated)}"
    )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
