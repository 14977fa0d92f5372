"""Numba's threading layer: when a parallel region may be entered, and by how many Python threads at once.

Numba takes the first layer that is there of tbb, omp and workqueue, or what NUMBA_THREADING_LAYER names, when the first
parallel kernel is compiled or loaded. Two of them have a limit that would end the process:

* omp on GNU OpenMP (Linux): a process forked after the layer was started must not enter a parallel region;
* workqueue: only one Python thread at a time may be in one.

tbb (the package ``tbb``) has neither.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, nullcontext

from numba import config
from numba.np.ufunc import parallel

from kernels.declare.errors import DeviceUnavailable

WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
"""How OpenMP threads wait unless the environment says so, which must be before their library is loaded.

Left to themselves they spin, and fight other processes (and PyTorch's own pool) for the cores: beside one busy process on 2
cores a LeNet epoch took over 100 s spinning, 23 s sleeping. Those that sleep at once are late for the next kernel: ReLU of
1.2 MB took 53 us, 33 with a thousand spins (some 50 us), 30 with ten thousand; beside a busy process 140, 168 and 577.
"""

for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)

_NO_LOCK = nullcontext()
_one_region = threading.Lock()
_lost_in_fork = False


def leave_waiting_to_others() -> None:
    """Take the above out of the environment, in a process that runs another library's threads."""
    for name, value in WAITING.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def thread_count() -> int:
    """Return the number of threads that a parallel region of this Python thread runs on; 1 where it may enter none.

    Asking does not start the layer, as ``numba.get_num_threads`` does.
    """
    if _lost_in_fork:
        return 1
    return int(parallel._get_num_threads() if parallel._is_initialized else config.NUMBA_NUM_THREADS)


def may_run_parallel() -> bool:
    """Return whether this process may enter a parallel region at all."""
    return not _lost_in_fork


def region() -> AbstractContextManager[object]:
    """Return what is to be held around a parallel region; starts the layer.

    Raises
    ------
    DeviceUnavailable
        As ``layer`` does.
    """
    return _one_region if layer() == "workqueue" else _NO_LOCK


def layer() -> str:
    """Name the threading layer: "tbb", "omp" or "workqueue"; starts it.

    Raises
    ------
    DeviceUnavailable
        There is no such layer as NUMBA_THREADING_LAYER asks for; the text says what would bring it.
    """
    if not parallel._is_initialized:
        try:
            parallel._launch_threads()
        except ValueError as error:
            told = " ".join(str(error).split())
            raise DeviceUnavailable(
                f"NUMBA_THREADING_LAYER is {config.THREADING_LAYER!r}: {told}; or leave it to Numba: unset the variable"
            ) from error
    return str(parallel._threading_layer)


def _after_fork_in_child() -> None:
    """Note that the parent's layer is of no use here, silently: a pool of workers would tell it once for each of them."""
    global _lost_in_fork, _one_region
    _lost_in_fork = _lost_in_fork or parallel._threading_layer == "omp"
    _one_region = threading.Lock()  # a thread that held it is not here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
