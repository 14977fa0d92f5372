"""A user's kernels instead of the built-in ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kernels import Implementation, register
from workbench.system.errors import InputError, VerdictAgainst, raised
from workbench.target.binding import UserKernel, implementation
from workbench.target.command_device import TIMED, CommandDevice
from workbench.target.resolve import Target


class Substitutes:
    """Kernels of files, registered before the built-in ones. Dispatch selects them when they accept the call.

    The files are imported into this process, after a process of its own has imported each without harm.

    Parameters
    ----------
    targets : FILE.py or FILE.py:NAME
    device : the device

    Raises
    ------
    InputError
        A file has no kernel for the device, or a kernel does not compute all outputs of its operation.
    """

    def __init__(self, targets: Sequence[str], device: CommandDevice) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        for text in targets:
            target = Target(text=text)
            target.fitting(target.facts(device).kernels, device, TIMED)  # before this process imports the file
            for kernel in target.kernels(device, TIMED):
                self._add(text, kernel)

    def summary(self) -> list[str]:
        """Return a line for every kernel: how often it ran."""
        return [
            f"{name} ran {count:,} times in the place of {op}"
            if count
            else f"{name} never ran: no layer of the network is a {op} with options that it takes"
            for (op, name), count in self._calls.items()
        ]

    def _add(self, target: str, kernel: UserKernel) -> None:
        adapted = implementation(kernel)
        if adapted.computes is not None:
            missing = ", ".join(each for each in kernel.op.outputs if each not in adapted.computes)
            raise InputError(f"{target}: {kernel.name} does not compute {missing}; a network needs all outputs")
        self._calls[kernel.op.name, kernel.name] = 0
        register(replace(adapted, target=self._counting(target, kernel, adapted)), preferred=True)

    def _counting(self, target: str, kernel: UserKernel, adapted: Implementation) -> Callable[..., None]:
        function, key = adapted.function, (kernel.op.name, kernel.name)

        def call(*arguments: Any) -> None:
            self._calls[key] += 1
            try:
                function(*arguments)
            except Exception as error:
                remedy = f"try: workbench check {target} --op {key[0]}"
                raise VerdictAgainst(f"{kernel.name} {raised(error)}; {remedy}") from error

        call.__name__ = kernel.name
        return call
