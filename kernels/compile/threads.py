"""Numba's threading layer: when a parallel region may be entered, and by how many Python threads at once.

When the first parallel kernel is compiled or loaded, Numba selects the first available layer of tbb, omp and workqueue, or
the one named by NUMBA_THREADING_LAYER. Two of them have a limit; exceeding it would end the process:

* omp on GNU OpenMP (Linux): a process forked after the layer was started must not enter a parallel region;
* workqueue: only one Python thread at a time may be in a parallel region.

tbb (the package ``tbb``) has neither limit.
"""

import os
import threading
from contextlib import AbstractContextManager, nullcontext

from numba import config

from kernels.compile.numba_internals.compiling import parallel
from kernels.declare.errors import DeviceUnavailable

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""How OpenMP threads wait, unless set in the environment; must be set before the OpenMP library is loaded.

By default they spin and compete with other processes (and PyTorch's own pool) for the cores: with one busy process on 2
cores, a LeNet epoch took over 100 s spinning and 23 s sleeping. Threads that sleep at once start the next kernel late: ReLU
of 1.2 MB took 53 us, 33 with a thousand spins (about 50 us), 30 with ten thousand; with a busy process 140, 168 and 577.
"""

for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)

_NO_LOCK = nullcontext()
_one_region = threading.Lock()
_lost_in_fork = False


def leave_waiting_to_others() -> None:
    """Remove these settings from the environment, in a process that runs another library's threads."""
    for name, value in WAITING.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def thread_count() -> int:
    """Return the number of threads that a parallel region of this Python thread uses; 1 if it may enter none.

    Unlike ``numba.get_num_threads``, this does not start the layer.
    """
    if _lost_in_fork:
        return 1
    return int(parallel._get_num_threads() if parallel._is_initialized else config.NUMBA_NUM_THREADS)


def may_run_parallel() -> bool:
    """Return whether this process may enter a parallel region at all."""
    return not _lost_in_fork


def region() -> AbstractContextManager[object]:
    """Return the context manager to hold around a parallel region; starts the layer.

    Raises
    ------
    DeviceUnavailable
        As raised by ``layer``.
    """
    return _one_region if layer() == "workqueue" else _NO_LOCK


def layer() -> str:
    """Return the name of the threading layer, "tbb", "omp" or "workqueue"; starts it.

    Raises
    ------
    DeviceUnavailable
        The layer requested by NUMBA_THREADING_LAYER is not available; the message says how to make it available.
    """
    if not parallel._is_initialized:
        try:
            parallel._launch_threads()
        except ValueError as error:
            told = " ".join(str(error).split())
            raise DeviceUnavailable(
                f"NUMBA_THREADING_LAYER is {config.THREADING_LAYER!r}: {told}; to let Numba choose, unset the variable"
            ) from error
    return str(parallel._threading_layer)


def _after_fork_in_child() -> None:
    """Record that the parent's layer cannot be used here; silent, as each worker of a pool would repeat a warning."""
    global _lost_in_fork, _one_region
    _lost_in_fork = _lost_in_fork or parallel._threading_layer == "omp"
    _one_region = threading.Lock()  # the thread that held it does not exist in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
