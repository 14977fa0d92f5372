"""The request of ``workbench check``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kernels import OPS
from workbench.sampling import DTYPES, Case
from workbench.system.errors import InputError
from workbench.target.command_device import CPU, CUDA, SIM, CommandDevice
from workbench.target.on_devices import OnDevices
from workbench.target.resolve import Target


@dataclass(frozen=True, kw_only=True)
class CheckRequest(OnDevices):
    """The parsed command line of ``workbench check``.

    Attributes
    ----------
    targets : the operations and files to check
    dtypes : the precisions
    examples : cases per kernel and dtype; None: the default of the device
    seed : the seed of the cases
    replay : the token of the one case to run
    save : the file for the arrays of the first failure
    timeout : seconds a call of a user's kernel may take
    simulation : settings of the simulator, see ``workbench.sim.Settings``
    exitfirst : whether no kernel is checked after one that fails
    huge : whether each is also called on arrays of more than 2**31 bytes
    own : whether the kernels of operations that the files declare are judged, and the declarations, instead of all others
    """

    targets: tuple[Target, ...]
    dtypes: tuple[str, ...] = DTYPES
    examples: int | None = None
    seed: int = 0
    replay: str | None = None
    save: Path | None = None
    timeout: float = 10.0
    simulation: Mapping[str, Any] = field(default_factory=dict)
    exitfirst: bool = False
    huge: bool = False
    own: bool = False

    def case(self, operations: set[str]) -> Case | None:
        """Return the case of the token; None without one.

        Raises
        ------
        InputError
            The token is invalid, or its operation is not among ``operations``, those of the targets.
        """
        if self.replay is None:
            return None
        case = Case.from_token(self.replay)
        if operations and case.op not in operations:
            raise InputError(
                f"--replay: the token is of {case.op}, not of {', '.join(sorted(operations))}; leave the target out"
            )
        return case if len(self.dtypes) > 1 else replace(case, dtype=self.dtypes[0])

    def save_path(self, device: CommandDevice) -> Path | None:
        """Return the file for the first failure on a device; several devices have separate files."""
        if self.save is None or not self.is_partial:
            return self.save
        return self.save.with_stem(f"{self.save.stem}-{device.name}")


def default_targets(replay: str | None) -> tuple[Target, ...]:
    """Return the default targets: the operation of the token, or without one all operations."""
    names = OPS if replay is None else (Case.from_token(replay).op,)
    return tuple(Target(text=name) for name in names)


def default_devices(targets: tuple[Target, ...]) -> tuple[CommandDevice, ...]:
    """Return the devices that targets are for: the CPU, and the GPU, or the simulator if there is no GPU."""
    kinds = {kind for target in targets for kind in target.kinds()} or {"cpu"}
    on_cpu = (CPU,) if "cpu" in kinds else ()
    return on_cpu if "cuda" not in kinds else (*on_cpu, SIM if CUDA.absence() else CUDA)
