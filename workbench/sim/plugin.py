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

The option ``cuda_simulator = "allow_same_value seed=3"`` beside ``addopts`` has settings for all tests.

``pytest_plugins = ["workbench.sim.plugin"]`` in the topmost ``conftest.py`` works too unless this file imports
``numba.cuda``, itself or through others: pytest imports the plugins that a ``conftest.py`` names after the file.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from workbench.sim.common.settings import SimulatorSettings, simulating
from workbench.sim.host.patching import select, simulator
from workbench.system.compute_capability import SIMULATED, parse_cc
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for settings in ``pytest.ini`` or ``pyproject.toml``."""
    parser.addini("cuda_simulator", "settings of the simulator: seed=3 allow_same_value capability=8.0", type="args")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the settings of the configuration, or refuse to run tests without the simulator.

    An error at the import of a plugin would be an internal one.
    """
    if _refusal:
        raise pytest.UsageError(f"workbench.sim.plugin: {_refusal}; {_EARLIER}")
    try:
        _session.enter_context(simulating(**dict(map(_setting, config.getini("cuda_simulator")))))
    except InputError as error:
        raise pytest.UsageError(f"cuda_simulator: {error}") from None


def _setting(text: str) -> tuple[str, Any]:
    """Return the name and value of a setting: of ``name``, ``name=false``, ``seed=3`` or ``capability=8.0``."""
    name, _, value = text.partition("=")
    if name == "capability":
        return name, parse_cc(value, SIMULATED)
    if name == "seed":
        return name, int(value) if value.isdecimal() else value
    if value not in ("", "true", "false"):
        raise InputError(f"{text}: must be {name}, {name}=true or {name}=false")
    return name, value != "false"


def pytest_unconfigure() -> None:
    """Restore numba-cuda's simulator."""
    _session.close()


@pytest.fixture
def cuda_simulator() -> Callable[..., AbstractContextManager[SimulatorSettings]]:
    """Return ``simulating``, which takes other settings for a block; kernels are launched in the simulator anyway."""
    return simulating
