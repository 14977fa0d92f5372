"""Numba-CUDA's random numbers: in its simulator they are Python; the states of a generator take most of a minute."""

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.numba_internals.compiling import Dispatcher
from workbench.numba_internals.cuda_simulator import random


@contextmanager
def compiled_generators() -> Iterator[None]:
    """Compile the functions of ``numba.cuda.random`` inside the block, as they are outside the simulator."""
    functions = [each for each in vars(random).values() if isinstance(each, Dispatcher)]
    before = [dict(each.targetoptions) for each in functions]
    for each in functions:
        each.recompile()
        _set_options(each.targetoptions, {"nopython": True})
    try:
        yield
    finally:
        for each, options in zip(functions, before, strict=True):
            each.overloads.clear()
            _set_options(each.targetoptions, options)


def _set_options(options: dict[str, object], values: dict[str, object]) -> None:
    """Replace the options of a function that is compiled when it is called; its compiler shares the dictionary."""
    options.clear()
    options.update(values)
