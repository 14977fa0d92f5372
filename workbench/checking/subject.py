"""What is judged: a kernel, its device, and the conditions of the check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels import Implementation
from kernels.memory.devices import Device, get_device
from workbench.sampling.restriction import EVERYTHING, Restriction
from workbench.target.command_device import DEVICES, CommandDevice


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A kernel to check, its device, and the conditions of the check.

    Attributes
    ----------
    implementation : the kernel, in the calling convention
    label : the name of the command line's device that it runs on
    fixed : options and optional inputs that it does not take, which stay at their default
    accumulate : the lower precision that it declares
    fastmath : whether it was compiled under the assumption that there are no NaN and no infinities
    free : whether its results may follow the operation's ``alternatives`` where these differ from the reference
    body : the function as written, whose Python body can be run in place of the kernel; None if there is none
    rebuild : function -> the implementation that calls this function in place of the body; None: it becomes the target
    only : the calls that are drawn: those that it is for
    notes : what the report says of it whatever the verdict
    """

    implementation: Implementation
    label: str
    fixed: tuple[str, ...] = ()
    accumulate: str | None = None
    fastmath: bool = False
    free: bool = False
    body: Any = None
    rebuild: Callable[[Any], Implementation] | None = None
    only: Restriction = EVERYTHING
    notes: tuple[str, ...] = ()

    def over(self, function: Any) -> Subject:
        """Return the same subject with another function instead of its body."""
        if self.rebuild is not None:
            return dataclasses.replace(self, implementation=self.rebuild(function))
        return dataclasses.replace(self, implementation=dataclasses.replace(self.implementation, target=function))

    @property
    def command_device(self) -> CommandDevice:
        """The command line's device that it runs on."""
        return DEVICES[self.label]

    @property
    def device(self) -> Device:
        """The device that its arrays are on."""
        return get_device(self.implementation.device)
