"""The devices of the command line: the kernels that each runs, its environment, and why it may be absent."""

import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class CommandDevice:
    """A choice of ``--device``.

    Attributes
    ----------
    name : the name on the command line and in reports
    kind : the kind of kernels that it runs and of arrays that they take, "cpu" or "cuda"
    twin : the name of the other device that runs the same kernels
    examples : cases per kernel and dtype that ``workbench check`` draws by default
    is_simulated : whether it runs CUDA kernels in the simulator
    runs_bodies : whether it runs the Python bodies of kernels, uncompiled; their oracle stays compiled
    """

    name: str
    kind: Literal["cpu", "cuda"]
    twin: str
    examples: int
    is_simulated: bool = False
    runs_bodies: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that must be set when Numba is imported."""
        simulator = {} if self.kind == "cpu" else {"NUMBA_ENABLE_CUDASIM": str(int(self.is_simulated))}
        return {"NUMBA_DISABLE_JIT": "0"} | simulator

    @property
    def is_here(self) -> bool:
        """Whether this process has the device's environment."""
        return all(os.environ.get(name, "0") == value for name, value in self.environment.items())

    def prepare(self) -> None:
        """Give this process the device's environment, if that can still be done: see ``patching.select``."""
        if self.is_simulated:
            from workbench.sim.host import patching

            patching.select()

    def absence(self) -> str | None:
        """Return why the device is not available, with the remedy; None if it is."""
        if self.kind == "cpu":
            return None
        if self.is_simulated:
            from workbench.sim.host import patching

            return patching.absence()
        from kernels.installation import install_command
        from kernels.memory.devices import cuda_fault
        from workbench.system.machine import in_simulator

        if in_simulator():
            return "NUMBA_ENABLE_CUDASIM=1 puts the simulator in the place of CUDA; unset it, or use --device sim"
        fault = cuda_fault()
        driver = f"install an NVIDIA driver and {install_command(extra='cuda')}"
        return None if fault is None else f"{fault}; {driver}, or check with --device sim, which needs no GPU"


CPU = CommandDevice(name="cpu", kind="cpu", twin="python", examples=200)
CUDA = CommandDevice(name="cuda", kind="cuda", twin="sim", examples=200)
SIM = CommandDevice(name="sim", kind="cuda", twin="cuda", examples=100, is_simulated=True)
PYTHON = CommandDevice(name="python", kind="cpu", twin="cpu", examples=50, runs_bodies=True)

DEVICES = {device.name: device for device in (CPU, CUDA, SIM, PYTHON)}
TIMED = (CPU, CUDA)
"""The devices for which kernels can be timed and inspected."""
