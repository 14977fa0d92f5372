"""A pytest plugin for users: CUDA kernels run in the simulator, and the fixture ``cuda_simulator`` changes its settings.

In ``pyproject.toml``:

    [tool.pytest.ini_options]
    addopts = "-p workbench.sim.plugin"

pytest imports it before every ``conftest.py``, and so before ``numba.cuda``, which selects its simulator when it is
imported. From then on ``cuda.jit``, device arrays and launches are the simulator's. Tests launch their kernels as usual; a
hazard raises ``KernelHazard``. The fixture changes settings temporarily.

    def test_blur(cuda_simulator):
        for seed in range(10):              # ten orders of threads
            with cuda_simulator(seed=seed):
                blur[blocks, threads](x, y)

``pytest_plugins = ["workbench.sim.plugin"]`` in the topmost ``conftest.py`` works too unless this file imports
``numba.cuda``, itself or through others: pytest imports the plugins that a ``conftest.py`` names after the file.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from workbench.sim.common.settings import SimulatorSettings, simulating
from workbench.sim.host.patching import select, simulator
from workbench.system.errors import InputError

_EARLIER = 'if a conftest.py imports it before the plugin, use addopts = "-p workbench.sim.plugin"'

_session = ExitStack()
_refusal = ""


def _start() -> None:
    """Start the simulator, or keep the reason why it cannot start, for ``pytest_configure``."""
    global _refusal
    try:
        _session.enter_context(simulator())
    except InputError as error:
        _refusal = str(error)


select()
_start()


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Refuse to run tests without the simulator; an error at the import of a plugin would be an internal one."""
    if _refusal:
        raise pytest.UsageError(f"workbench.sim.plugin: {_refusal}; {_EARLIER}")


def pytest_unconfigure() -> None:
    """Restore numba-cuda's simulator."""
    _session.close()


@pytest.fixture
def cuda_simulator() -> Callable[..., AbstractContextManager[SimulatorSettings]]:
    """Return ``simulating``, which takes other settings for a block; kernels are launched in the simulator anyway."""
    return simulating
