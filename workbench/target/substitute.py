"""A user's kernels instead of the built-in ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kernels import OPS, Implementation, register
from workbench.system.errors import InputError, VerdictAgainst, raised
from workbench.target.binding import UserKernel, implementation
from workbench.target.command_device import TIMED, CommandDevice
from workbench.target.resolve import Target


def substitute_targets(texts: Sequence[str], device: CommandDevice) -> tuple[Target, ...]:
    """Return the files whose kernels can take the place of the built-in ones; processes of their own import them.

    Parameters
    ----------
    texts : FILE.py or FILE.py:NAME
    device : the device

    Raises
    ------
    InputError
        A file has no kernel for the device, or a kernel does not compute all outputs of its operation.
    """
    targets = tuple(Target(text=text) for text in dict.fromkeys(texts))
    for target in targets:
        for kernel in target.fitting(target.facts(device).kernels, device, TIMED):
            outputs = OPS[kernel.op].outputs if kernel.op in OPS else ()
            if missing := ", ".join(each for each in outputs if each not in kernel.bound.computes):
                raise InputError(
                    f"{target.text}: {kernel.name} does not compute {missing}; a network needs all outputs"
                )
    return targets


class Substitutes:
    """Kernels of files, registered before the built-in ones. Dispatch selects them when they accept the call.

    The files are imported into this process.

    Parameters
    ----------
    targets : the files, from ``substitute_targets``
    device : the device

    Attributes
    ----------
    ran : the kernel that ran last; it may be set to None
    """

    def __init__(self, targets: Sequence[Target], device: CommandDevice) -> None:
        self.ran: UserKernel | None = None
        self._calls: dict[tuple[str, str], int] = {}
        for target in targets:
            for kernel in target.kernels(device, TIMED):
                self._add(target.text, kernel)

    @property
    def operations(self) -> set[str]:
        """The names of the operations that they compute."""
        return {op for op, _ in self._calls}

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
        self._calls[kernel.op.name, kernel.name] = 0
        register(replace(adapted, target=self._counting(target, kernel, adapted)), preferred=True)

    def _counting(self, target: str, kernel: UserKernel, adapted: Implementation) -> Callable[..., None]:
        function, key = adapted.function, (kernel.op.name, kernel.name)

        def call(*arguments: Any) -> None:
            self._calls[key] += 1
            self.ran = kernel
            try:
                function(*arguments)
            except Exception as error:
                remedy = f"try: workbench check {target} --op {key[0]}"
                raise VerdictAgainst(f"{kernel.name} {raised(error)}; {remedy}") from error

        call.__name__ = kernel.name
        return call
