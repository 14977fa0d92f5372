"""For users' pytest: the fixture ``cuda_simulator``.

In ``conftest.py``, before Numba is imported:

    pytest_plugins = ["workbench.sim.plugin"]

Numba decides for its simulator when it is imported, and this module sees to that. Tests launch their
kernels as ever; what they must not do raises ``KernelHazard``. The fixture gives them other settings for a while.

    def test_blur(cuda_simulator):
        for seed in range(10):              # ten orders of threads
            with cuda_simulator(seed=seed):
                blur[blocks, threads](x, y)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from workbench.sim.common.settings import Settings, simulating
from workbench.sim.host.patching import simulator

if "numba" not in sys.modules:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")


_session = ExitStack()


def pytest_collection(session: pytest.Session) -> None:
    """Begin to simulate before test modules are imported, whose decorators are then the simulator's too."""
    _session.enter_context(simulator())


def pytest_sessionfinish() -> None:
    """Put numba-cuda's simulator back."""
    _session.close()


@pytest.fixture
def cuda_simulator() -> Callable[..., AbstractContextManager[Settings]]:
    """Return ``simulating``, which takes other settings for a block; kernels are launched in the simulator anyway."""
    return simulating
