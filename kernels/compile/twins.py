"""Two compiled versions of one kernel: a parallel one, and a serial one for work too small to be worth threads.

A parallel region costs 5 to 20 us, and cannot be entered everywhere (see ``kernels.compile.threads``). The result does not
depend on the twin that runs: what a unit of ``prange`` computes follows from the shapes alone, and neither twin reorders
arithmetic.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np
from numba import typeof

from kernels.compile import threads
from kernels.compile.numba_internals.compiling import CompileStats, CPUDispatcher

SMALL_BYTES = 65_536
"""Work on arrays with fewer bytes in total runs serially, unless a kernel sets another limit."""

Twin = Literal["parallel", "serial"]

_forced: ContextVar[Twin | None] = ContextVar("forced", default=None)
_compiling_serially: ContextVar[bool] = ContextVar("compiling_serially", default=False)


@contextmanager
def only(twin: Twin) -> Iterator[None]:
    """Call one twin of every kernel inside the block, whatever the size; the serial one if threads are not allowed."""
    token = _forced.set(twin)
    try:
        yield
    finally:
        _forced.reset(token)


class SerialTwin(CPUDispatcher):  # type: ignore[misc]
    """The serial twin; the kernels that it calls are compiled serially with it."""

    def compile(self, sig: Any) -> Any:
        """Compile or load for a signature; called by Numba."""
        token = _compiling_serially.set(True)
        try:
            return super().compile(sig)
        finally:
            _compiling_serially.reset(token)


class TwinKernel(CPUDispatcher):  # type: ignore[misc]
    """The parallel twin, which passes a call from Python to its serial twin if that is faster or the only option.

    Otherwise it is Numba's dispatcher of the parallel code: called by compiled code, inspected, compiled explicitly.

    Attributes
    ----------
    serial : the twin; None for a copy that was pickled, which runs in parallel
    small : bytes of all arrays under which a call runs serially, or a function of the kernel's arguments that decides
    """

    serial: SerialTwin | None = None
    small: int | Callable[..., bool] = SMALL_BYTES

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run the appropriate twin for the arguments."""
        if self.serial is not None and self._runs_serially(arguments, keywords):
            return self.serial(*arguments, **keywords)
        with threads.region():
            return super().__call__(*arguments, **keywords)

    def settled(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """Return a function for calls like one that ran before, with arguments of the same types and sizes.

        It does not inspect types and sizes, which takes half the time of a small call.
        """
        if self.serial is None:
            return self
        small = self._are_small(arguments, {})
        found = (self.serial if small else self).overloads.get(tuple(map(typeof, arguments)))
        if found is None:  # the other twin was forced
            return self
        compiled = found.entry_point

        def serially(*arguments: Any) -> Any:
            return compiled(*arguments) if _forced.get() is None else self(*arguments)

        def in_parallel(*arguments: Any) -> Any:
            if _forced.get() is not None or threads.thread_count() == 1:
                return self(*arguments)
            with threads.region():
                return compiled(*arguments)

        return serially if small else in_parallel

    def _runs_serially(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        forced = _forced.get()
        if forced is not None:
            return forced == "serial" or not threads.may_run_parallel()
        return self._are_small(arguments, keywords) or threads.thread_count() == 1

    def _are_small(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
        if type(self.small) is not int:
            return bool(self.small(*arguments, **keywords))  # type: ignore[operator]
        room = self.small
        for argument in arguments:
            if type(argument) is np.ndarray:
                room -= argument.nbytes
        return room > 0

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return the types of a call from compiled code; called by Numba."""
        if self.serial is not None and _compiling_serially.get():
            return self.serial.get_call_template(args, kws)
        return super().get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        """Return the entry for a call from compiled code; called by Numba."""
        if self.serial is not None and _compiling_serially.get():
            return self.serial.get_overload(sig)
        return super().get_overload(sig)

    @property
    def stats(self) -> Any:
        """The disk-cache statistics of both twins."""
        own = super().stats
        if self.serial is None:
            return own
        other = self.serial.stats
        return CompileStats(
            own.cache_path, Counter(own.cache_hits) + other.cache_hits, Counter(own.cache_misses) + other.cache_misses
        )
