"""The types of arrays for type checkers: those that functions accept, and those on a CUDA device."""

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar_co = TypeVar("Scalar_co", bound=np.generic, covariant=True)


class HostArray(Protocol[Scalar_co]):
    """A NumPy array, or an object that can be read as one."""

    def __array__(self) -> np.ndarray[Any, np.dtype[Scalar_co]]:
        """Return the values as a NumPy array."""


class CudaArray(Protocol):
    """An array on a CUDA device, of any library."""

    @property
    def __cuda_array_interface__(self) -> Any:
        """Where its memory is, and how it is laid out."""


class DeviceArray(CudaArray, Protocol):
    """A Numba device array, as functions return it for inputs on the CUDA device."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of every axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of an element."""

    def copy_to_host(self) -> NDArray[Any]:
        """Return a copy as a NumPy array, when all work on it is done."""


class Tensor(HostArray[Scalar_co], CudaArray, Protocol[Scalar_co]):
    """An array of a library with one type for both: where its memory is shows at run time only."""


ArrayLike = HostArray[Any] | CudaArray
FloatArray = HostArray[np.floating[Any]] | CudaArray
IntegerArray = HostArray[np.integer[Any]] | CudaArray
