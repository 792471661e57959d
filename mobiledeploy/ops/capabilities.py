"""What an operator's module may offer besides `operator.Operator`: a Protocol for each.

Code asks by `isinstance` whether a module does.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from mobiledeploy.formats.tflite import TfliteOperator, TfliteTensor
from mobiledeploy.ops.certificate import Certificate
from mobiledeploy.ops.node import Node
from mobiledeploy.ops.padding import Pads
from mobiledeploy.ops.stored import StoredLayer
from mobiledeploy.ops.tensors import Codes, Int8, QTensor

Cases: TypeAlias = tuple[Codes, ...]
"""What decides an output code, one array for each thing that does: of an addition the codes of
both operands, of a mean the sum of codes. All of one shape."""


@runtime_checkable
class Certified(Protocol):
    """A module whose operator can be tried out on every input there is, and is.

    The cases are computed by LiteRT's arithmetic and, apart from it, by ONNX Runtime's.
    """

    @property
    def KERNELS(self) -> str:
        """The kernels that compute the cases, in words for messages.

        `{form}` is replaced by the operator's name in the `.tflite`.
        """

    @property
    def CASE(self) -> str:
        """What a case is, in words for messages: `pair of codes`."""

    @property
    def CASES(self) -> str:
        """Several of them."""

    @property
    def ONE_CODE(self) -> bool:
        """Whether a case is one code, if of one channel.

        A table of all of them is then the same operator.
        """

    def certify(self, node: Any, inputs: Sequence[QTensor]) -> Certificate:
        """Return the proof that every runtime gives one code for every input.

        Raises:
            ConversionError: Some runtime does not take the node, or they cannot be brought to
                agree; the message names it.
        """

    def all_cases(self, node: Any, inputs: Sequence[QTensor]) -> Cases:
        """Return all cases there are.

        Raises:
            ConversionError: There are too many.
        """

    def cases_of(self, node: Any, inputs: Sequence[QTensor], codes: Sequence[Int8]) -> Cases:
        """Return the cases in tensors of shape (batch, ...), in the shape of the output."""

    def litert_cases(
        self, node: Any, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the output codes of cases, once for each kernel that LiteRT may choose.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            cases: To compute.
            form: Its name in the file, if it is another than the first of `TFLITE`.
        """

    def ort_cases(
        self, node: Any, inputs: Sequence[QTensor], cases: Cases, form: str = ""
    ) -> tuple[Codes, ...]:
        """Return the output codes of cases, once for each kernel that ONNX Runtime may choose.

        They are those of the form with the inputs' own scales; a certificate may ask for others.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            cases: To compute.
            form: Its name in the file, if it is another than `write_onnx` gives it.
        """

    def litert_limits(self, node: Any, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why kernels of other arithmetic than `litert_cases` run an operator of a file."""

    def ort_limits(self, node: Any, inputs: Sequence[QTensor], form: str) -> Iterator[str]:
        """Yield why kernels of other arithmetic than `ort_cases` run an operator of a file."""


@runtime_checkable
class SeveralForms(Protocol):
    """A `Certified` module whose operator is exact in a fast form of the `.onnx`, or a slow one.

    Ranges are widened slightly where that makes the fast form exact.
    """

    def certify_fast(self, node: Any, inputs: Sequence[QTensor]) -> Certificate:
        """Return the proof for the fast form.

        Raises:
            ConversionError: It cannot be brought to agree.
        """


@runtime_checkable
class CertifiedOnX86(Protocol):
    """A `Certified` module with a form of the `.onnx` that is exact whatever the scales are.

    It gives what LiteRT gives on x86, also where LiteRT gives something else on other CPUs.
    """

    def certify_x86(self, node: Any, inputs: Sequence[QTensor]) -> Certificate:
        """Return the proof for LiteRT on x86."""


@runtime_checkable
class OwnKernel(Protocol):
    """A `Certified` module whose operator TFLite computes itself where XNNPACK takes it not."""

    def litert_own(self, node: Any, inputs: Sequence[QTensor], cases: Cases) -> Codes:
        """Return the output codes of cases by TFLite's own kernel.

        Raises:
            ConversionError: They depend on more than the case.
        """


@runtime_checkable
class GivesScores(Protocol):
    """A module whose operator may make scores of the logits where it is a network's last."""

    @property
    def SCORES(self) -> str:
        """What it is called, for people; empty for an operator that makes none."""


@runtime_checkable
class SpecialCase(Protocol):
    """A module whose operator also stands in files as a case of another one's.

    Attributes:
        SPECIAL_IN_TFLITE: Names in `BuiltinOperator` under which it stands in some `.tflite`.
        SPECIAL_IN_ONNX: Names of ONNX operators, likewise.
    """

    SPECIAL_IN_TFLITE: frozenset[str]
    SPECIAL_IN_ONNX: frozenset[str]

    def is_in_tflite(self, operator: TfliteOperator, tensors: Sequence[TfliteTensor]) -> bool:
        """Whether an operator of such a name is this one.

        Args:
            operator: In the file.
            tensors: Of the file.
        """


@runtime_checkable
class Sampled(Protocol):
    """A module whose operator depends on too many codes at once to try all, so that it is sampled.

    Attributes:
        SAMPLES: What samples are, in words for messages: `vectors of logits`.
        WITHIN: Steps by which a kernel may miss the exact result, correctly rounded.
    """

    SAMPLES: str
    WITHIN: int

    def same_numbers(self, a: StoredLayer, b: StoredLayer) -> bool:
        """Whether two layers of files compute one function, as exact numbers."""

    def samples(self, node: Any, inputs: Sequence[QTensor]) -> Int8:
        """Return codes on which kernels tend to differ, shape (samples, ...)."""

    def exact_codes(self, node: Any, inputs: Sequence[QTensor], codes: Int8) -> Int8:
        """Return the exact result, correctly rounded.

        Args:
            node: What to compute.
            inputs: Grids of its inputs.
            codes: Of its only input, shape (batch, ...).
        """


@runtime_checkable
class MovesCodes(Protocol):
    """A module whose operator writes codes that it reads, or that of real 0, and computes none.

    What it reads and writes is on one grid, so that no kernel has anything to round.

    Attributes:
        MOVES: What it does with codes, in words for messages: `it takes the largest code of each
            window`.
    """

    MOVES: str


@runtime_checkable
class CountsCodes(Protocol):
    """A module whose operator may compute its codes by those that it reads, on any grid."""

    def by_codes(self, layer: StoredLayer) -> bool:
        """Whether a layer of a file does: it gives the same codes whatever their common grid is.

        Args:
            layer: One whose file states no scale of what it reads and writes.
        """


@runtime_checkable
class TakesPadding(Protocol):
    """A module whose nodes have a `padding`, and can take over that of a PAD before them."""

    def pad_code(self, zero_point: int | None) -> float:
        """Return the code that it pads with.

        Args:
            zero_point: Of its input; None for floats: then the answer is a real value.
        """

    def padded(self, node: Any, source: QTensor, around: Pads) -> Node | None:
        """Return the node that reads an image without the padding around it.

        Args:
            node: Reads that image with its padding, of the code `pad_code`.
            source: The image without it.
            around: The padding; 0 to have only the node's own one in its simplest form.

        Returns:
            None where there is no such node.
        """


@runtime_checkable
class StatesMultiplier(Protocol):
    """A module whose operator an `.onnx` may describe by what it multiplies codes by.

    Such a layer reads and writes codes whose scales may be nowhere in the file. Its multiplier and
    zero points alone decide which codes it gives.
    """

    def multiplier_of(self, layer: StoredLayer) -> np.float32 | None:
        """Return the number by which a layer multiplies codes minus their zero points.

        None where the file states neither it nor all scales that it comes from.
        """

    def by_multiplier(self, layer: StoredLayer) -> StoredLayer:
        """Return a layer that gives the same codes, on scales from which its multiplier comes.

        One that states no multiplier is returned as it is.
        """


def scores_of(operator: object) -> str:
    """Return what an operator that makes scores is called, for people; else empty.

    Args:
        operator: A row of the table, or None.
    """
    return operator.SCORES if isinstance(operator, GivesScores) else ""
