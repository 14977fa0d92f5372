"""One generated call, as a few numbers, and the token that encodes it."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS
from kernels.declare.op import Shape
from kernels.declare.shapes import check_axes, normal_options
from workbench.sampling.families import FAMILIES, Slot
from workbench.sampling.layouts import CONTIGUOUS, LAYOUTS
from workbench.sampling.memory import check_memory
from workbench.sampling.ranges import draw_integers, into_range
from workbench.system.errors import InputError

Arrays = dict[str, NDArray[Any]]

MOST_BYTES = 2**16
"""The most bytes of a case in a token, before it is packed."""

DTYPES = ("float32", "float64")

REPEATED = 16_777_213
"""The most values of an array that are drawn, a prime near 2**24; longer arrays repeat them. Offsets that wrap around at a
power of two then meet another value."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One generated call.

    Attributes
    ----------
    op, dtype : names
    shapes : by input name
    options : in normal form
    family, seed : determine the values
    layout : the memory layout of the inputs, one of LAYOUTS
    zeros : inputs that are all zero, as for an absent bias
    """

    op: str
    dtype: str
    shapes: dict[str, Shape]
    options: dict[str, Any]
    family: str
    seed: int
    layout: str = CONTIGUOUS
    zeros: tuple[str, ...] = ()

    def arrays(self) -> Arrays:
        """Return the inputs, C-contiguous."""
        rng = np.random.default_rng(self.seed)
        family, dtype = FAMILIES[self.family], np.dtype(self.dtype)
        arrays: Arrays = {}
        for position, item in enumerate(OPS[self.op].inputs):
            shape = self.shapes[item.name]
            if item.kind == "index":
                assert item.below is not None
                arrays[item.name] = rng.integers(0, self.shapes[item.below[0]][item.below[1]], shape)
            elif item.name in self.zeros:
                arrays[item.name] = np.zeros(shape, item.own_dtype or dtype)
            elif item.own_dtype is not None:
                arrays[item.name] = draw_integers(rng, self.family, shape, item)
            else:
                is_ranged = item.low is not None or item.high is not None
                chosen = family if family.finite or not (item.finite or is_ranged) else FAMILIES["normal"]
                drawn = shape if prod(shape) <= REPEATED else (REPEATED,)
                values = into_range(np.asarray(chosen.draw(rng, Slot(drawn, position == 0, dtype)), dtype), item)
                arrays[item.name] = values if drawn == shape else np.resize(values, shape)
        return arrays

    @property
    def token(self) -> str:
        """The case as text for ``--replay``."""
        return base64.urlsafe_b64encode(zlib.compress(json.dumps(asdict(self)).encode(), 9)).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Case:
        """Decode a token.

        Raises
        ------
        InputError
            It is not a token, or names something that does not exist.
        """
        case = _decoded(token)
        if isinstance(case.op, str) and case.op not in OPS:
            raise InputError(
                f"--replay: the token is for {case.op!r}, which is not registered; pass the file that declares it"
            )
        try:
            op = OPS[case.op]
            check_axes(op, case.shapes)
            known = case.dtype in DTYPES and case.layout in LAYOUTS and set(case.zeros) <= set(case.shapes)
            if not known or case.options != normal_options(op, case.options, case.shapes):
                raise ValueError(token)
            check_memory(op, case.shapes, case.options, case.dtype, "--replay")
            case.arrays()
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(
                "--replay: not a token of this version; paste one that `workbench check` printed"
            ) from error
        return case


def operation_of(token: str) -> str:
    """Return the name of a token's operation, which need not be registered.

    Raises
    ------
    InputError
        It is not a token.
    """
    return str(_decoded(token).op)


def _decoded(token: str) -> Case:
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), MOST_BYTES)
        if not inflater.eof:
            raise ValueError("cut off, or longer than a case is")
        fields = json.loads(content)
        return Case(**{key: _tuples(value) for key, value in fields.items()})
    except (ValueError, TypeError, AttributeError, binascii.Error, zlib.error, RecursionError) as error:
        raise InputError("--replay: not a token of this version; paste one that `workbench check` printed") from error


def _tuples(value: Any) -> Any:
    """Convert the lists of JSON back to the tuples of shapes and options."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
