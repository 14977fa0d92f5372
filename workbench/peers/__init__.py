"""Peers: what other libraries make of the same operations, to be timed beside the kernels.

Every peer has a module here that knows how it computes an operation. A peer's package is imported only when its variants
are asked for: libraries that bring thread pools of their own slow each other down in one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

Inputs = dict[str, NDArray[Any]]
Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way in which a peer computes one case.

    Attributes
    ----------
    name : the peer's name and, where it has several ways, which: "torch channels_last"
    run : the call to be timed, from inputs in the peer's own form to its outputs
    outputs : copies what the last run gave into C-ordered arrays, in the operation's order and shapes
    operands : the memory that holds the inputs, and outputs where they stay in one place, as one-dimensional arrays
    """

    name: str
    run: Callable[[], object]
    outputs: Callable[[], tuple[NDArray[Any], ...]]
    operands: tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True)
class _Peer:
    """Where a peer's variants are made, the packages it needs, its own first, and whether it runs on a GPU as well."""

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
    """Say, without importing it, what keeps a peer from being used and the remedy; empty when nothing does."""
    absent = [package for package in _PEERS[peer].packages if find_spec(package) is None]
    return f'needs {" and ".join(absent)}; pip install "kernel-workbench[peers]"' if absent else ""


def runs_on(peer: str, device: str) -> bool:
    """Return whether a peer can run on a device, "cpu" or "cuda"."""
    return device == "cpu" or _PEERS[peer].on_gpu


def version(peer: str) -> str:
    """Return the version of an installed peer, without importing it."""
    package = _PEERS[peer].packages[0]
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # installed under another name, as onnxruntime-gpu is
        return metadata.version(metadata.packages_distributions()[package][0])


def variants(
    peer: str, op: str, inputs: Inputs, options: Options, threads: int, device: str = "cpu"
) -> tuple[Variant, ...]:
    """Return the ways in which a peer computes a case; none where it has no way that gives the operation's result, and for an
    empty batch, where there is nothing to time.

    Imports the peer and sets its number of threads, for the whole process. The number that NumPy's BLAS uses is fixed
    when NumPy is imported, by the environment (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS).

    Parameters
    ----------
    peer : one of PEERS
    op : the operation's name
    inputs : by the operation's names for them, C-contiguous and writable, an absent bias as zeros
    options : in normal form
    threads : how many threads the peer may use
    device : "cpu", or "cuda" for a peer that runs there
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
