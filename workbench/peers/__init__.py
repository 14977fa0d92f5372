"""Peers: other libraries' versions of the same operations, timed against the kernels.

Every peer has a module here that defines how it computes an operation. A peer's package is imported only when its variants
are requested: libraries with their own thread pools slow each other down in one process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from kernels.installation import install_command

Inputs = dict[str, NDArray[Any]]
Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way in which a peer computes one case.

    Attributes
    ----------
    name : the peer's name and, if it has several ways, which one: "torch channels_last"
    run : the call to be timed, from inputs in the peer's own form to its outputs
    outputs : copies the results of the last run into C-ordered arrays, in the operation's order and shapes
    operands : the memory of the inputs, and of outputs that do not move, as one-dimensional arrays
    """

    name: str
    run: Callable[[], object]
    outputs: Callable[[], tuple[NDArray[Any], ...]]
    operands: tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class _Peer:
    """The module that makes a peer's variants, the packages it needs (its own first), whether it also runs on a GPU."""

    module: str
    packages: tuple[str, ...]
    on_gpu: bool = False


_PEERS = {
    "torch": _Peer(module="pytorch", packages=("torch",), on_gpu=True),
    "onnxruntime": _Peer(module="onnx_runtime", packages=("onnxruntime", "onnx")),
    "scipy": _Peer(module="scipy_", packages=("scipy",)),
    "numpy": _Peer(module="numpy_", packages=("numpy",)),
}

PEERS: tuple[str, ...] = tuple(_PEERS)
"""The peers' names."""


def missing(peer: str) -> str:
    """Return why a peer cannot be used, and the remedy, without importing it; empty if it can."""
    absent = [package for package in _PEERS[peer].packages if find_spec(package) is None]
    return f"needs {' and '.join(absent)}; {install_command(*absent)}" if absent else ""


def runs_on(peer: str, device: str) -> bool:
    """Return whether a peer can run on a device, "cpu" or "cuda"."""
    return device == "cpu" or _PEERS[peer].on_gpu


def version(peer: str) -> str:
    """Return the version of an installed peer, without importing it."""
    package = _PEERS[peer].packages[0]
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # installed under another name, such as onnxruntime-gpu
        return metadata.version(metadata.packages_distributions()[package][0])


def variants(
    peer: str, op: str, inputs: Inputs, options: Options, threads: int, device: str = "cpu"
) -> tuple[Variant, ...]:
    """Return the ways in which a peer computes a case; none if it cannot compute the operation's result, or if the batch
    is empty, so that there is nothing to time.

    Imports the peer and sets its number of threads for the whole process. The number of threads of NumPy's BLAS is fixed
    by the environment when NumPy is imported (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS).

    Parameters
    ----------
    peer : one of PEERS
    op : the operation's name
    inputs : by the operation's names, C-contiguous and writable, with zeros for an absent bias
    options : in normal form
    threads : the number of threads that the peer may use
    device : "cpu", or "cuda" for a peer that supports it
    """
    if not all(array.size for array in inputs.values()):
        return ()
    module = import_module(f"{__name__}.{_PEERS[peer].module}")
    made: tuple[Variant, ...] = (
        module.variants(op, inputs, options, threads, device)
        if _PEERS[peer].on_gpu
        else module.variants(op, inputs, options, threads)
    )
    return made
