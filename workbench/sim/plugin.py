"""A pytest plugin for users, with the fixture ``cuda_simulator``.

In ``conftest.py``, before ``numba.cuda`` is imported:

    pytest_plugins = ["workbench.sim.plugin"]

``numba.cuda`` selects its simulator when it is imported, and this module sets that up. Tests launch their kernels as
usual; a hazard raises ``KernelHazard``. The fixture changes settings temporarily.

    def test_blur(cuda_simulator):
        for seed in range(10):              # ten orders of threads
            with cuda_simulator(seed=seed):
                blur[blocks, threads](x, y)
"""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from workbench.sim.common.settings import SimulatorSettings, simulating
from workbench.sim.host.patching import simulator

if "numba.cuda" not in sys.modules:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()  # it reads the environment when it is imported

_session = ExitStack()


def pytest_collection(session: pytest.Session) -> None:
    """Start the simulator before test modules are imported, so that their decorators are the simulator's."""
    _session.enter_context(simulator())


def pytest_sessionfinish() -> None:
    """Restore numba-cuda's simulator."""
    _session.close()


@pytest.fixture
def cuda_simulator() -> Callable[..., AbstractContextManager[SimulatorSettings]]:
    """Return ``simulating``, which takes other settings for a block; kernels are launched in the simulator anyway."""
    return simulating
