"""Shared parts of the public functions: argument types, what type checkers see, and common documentation.

The first array decides: NumPy arrays give NumPy arrays of their dtype, and device arrays give device arrays.
"""

from textwrap import dedent
from typing import Any, ParamSpec, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from kernels.declare.array_types import CudaArray, DeviceArray, HostArray, Tensor

PairLike = int | tuple[int, int]
PaddingLike = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str
F = TypeVar("F", bound=np.floating[Any])
P = ParamSpec("P")
Floating = np.floating[Any]
Floats = NDArray[Floating]
Array = Floats | DeviceArray
"""What a function returns as it is written; callers see which, by the classes below."""


class OfX(Protocol[P]):
    """One output for an input ``x``."""

    @overload
    def __call__(self, x: NDArray[F], *args: P.args, **kwargs: P.kwargs) -> NDArray[F]: ...
    @overload
    def __call__(self, x: Tensor[Floating], *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    def __call__(self, x: CudaArray, *args: P.args, **kwargs: P.kwargs) -> DeviceArray: ...
    @overload
    def __call__(self, x: HostArray[Floating], *args: P.args, **kwargs: P.kwargs) -> Floats: ...


class OfLogits(Protocol[P]):
    """One output for an input ``logits``."""

    @overload
    def __call__(self, logits: NDArray[F], *args: P.args, **kwargs: P.kwargs) -> NDArray[F]: ...
    @overload
    def __call__(self, logits: Tensor[Floating], *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    def __call__(self, logits: CudaArray, *args: P.args, **kwargs: P.kwargs) -> DeviceArray: ...
    @overload
    def __call__(self, logits: HostArray[Floating], *args: P.args, **kwargs: P.kwargs) -> Floats: ...


class OfDy(Protocol[P]):
    """One gradient for an input ``dy``."""

    @overload
    def __call__(self, dy: NDArray[F], *args: P.args, **kwargs: P.kwargs) -> NDArray[F]: ...
    @overload
    def __call__(self, dy: Tensor[Floating], *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    def __call__(self, dy: CudaArray, *args: P.args, **kwargs: P.kwargs) -> DeviceArray: ...
    @overload
    def __call__(self, dy: HostArray[Floating], *args: P.args, **kwargs: P.kwargs) -> Floats: ...


class ThreeOfDy(Protocol[P]):
    """Three gradients for an input ``dy``."""

    @overload
    def __call__(
        self, dy: NDArray[F], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[NDArray[F], NDArray[F], NDArray[F]]: ...
    @overload
    def __call__(self, dy: Tensor[Floating], *args: P.args, **kwargs: P.kwargs) -> tuple[Any, Any, Any]: ...
    @overload
    def __call__(
        self, dy: CudaArray, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]: ...
    @overload
    def __call__(self, dy: HostArray[Floating], *args: P.args, **kwargs: P.kwargs) -> tuple[Floats, Floats, Floats]: ...


class ThreeOfX(Protocol[P]):
    """Three outputs for an input ``x``."""

    @overload
    def __call__(
        self, x: NDArray[F], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[NDArray[F], NDArray[F], NDArray[F]]: ...
    @overload
    def __call__(self, x: Tensor[Floating], *args: P.args, **kwargs: P.kwargs) -> tuple[Any, Any, Any]: ...
    @overload
    def __call__(
        self, x: CudaArray, *args: P.args, **kwargs: P.kwargs
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]: ...
    @overload
    def __call__(self, x: HostArray[Floating], *args: P.args, **kwargs: P.kwargs) -> tuple[Floats, Floats, Floats]: ...


class _FromX(Protocol[P]):
    def __call__(self, x: Any, *args: P.args, **kwargs: P.kwargs) -> Array: ...


class _FromLogits(Protocol[P]):
    def __call__(self, logits: Any, *args: P.args, **kwargs: P.kwargs) -> Array: ...


class _FromDy(Protocol[P]):
    def __call__(self, dy: Any, *args: P.args, **kwargs: P.kwargs) -> Array: ...


class _ThreeFromX(Protocol[P]):
    def __call__(self, x: Any, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array, Array]: ...


class _ThreeFromDy(Protocol[P]):
    def __call__(self, dy: Any, *args: P.args, **kwargs: P.kwargs) -> tuple[Array, Array, Array]: ...


_SHARED = """
Other Parameters
----------------
out : array that receives the result and is returned; it has the result's shape and dtype, is on the same device and
    overlaps no input (a tuple of such arrays for several outputs)
device : "cpu", "cuda" or "auto"; None: as set by use_device, else by KERNELS_DEVICE, else the device of the arrays
stream : a Numba CUDA stream to launch on; None: the default stream

Raises
------
ShapeError, OptionError, DtypeError
    An argument is invalid; the message names it, the value received and the value required.
DeviceUnavailable
    The requested device is not available; the message says how to make it available.

Notes
-----
All arrays are float32, or all are float64. The reference in kernels/ops/ documents the mathematics and its sources.
"""


@overload
def public(function: _FromX[P]) -> OfX[P]: ...
@overload
def public(function: _FromLogits[P]) -> OfLogits[P]: ...
@overload
def public(function: _ThreeFromX[P]) -> ThreeOfX[P]: ...
@overload
def public(function: _ThreeFromDy[P]) -> ThreeOfDy[P]: ...
@overload
def public(function: _FromDy[P]) -> OfDy[P]: ...
def public(function: Any) -> Any:
    """Append the documentation that all operations share, and declare what type checkers see."""
    function.__doc__ = f"{dedent('    ' + (function.__doc__ or '')).rstrip()}\n{_SHARED}"
    return function
