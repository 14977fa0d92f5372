"""Running a command's work on every device of a request, each of several devices in a separate process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer
from workbench.target.command_device import CPU, CommandDevice

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class OnDevices:
    """The part of a command's request that selects devices."""

    devices: tuple[CommandDevice, ...] = (CPU,)

    @property
    def is_partial(self) -> bool:
        """Whether there are several devices: a target need not have a kernel for each."""
        return len(self.devices) > 1


Request = TypeVar("Request", bound=OnDevices)


def on_each(work: Callable[[Request, CommandDevice], Result], request: Request) -> tuple[list[Result], dict[str, str]]:
    """Call ``work(request, device)`` for a single device, or for each of several in a separate process.

    ``work`` is importable. A single device must be available; the call is made in this process if that has the device's
    environment, or can still take it on.

    Returns
    -------
    results
        The results of the available devices, in order.
    absent
        Device name -> why it is not available.

    Raises
    ------
    InputError
        The only device is absent, or a process ended without a result.
    """
    absent = {device.name: fault for device in request.devices if (fault := device.absence()) is not None}
    if not request.is_partial:
        (only,) = request.devices
        if only.name in absent:
            raise InputError(f"--device {only.name}: {absent[only.name]}")
        only.prepare()
        if only.is_here:
            return [work(request, only)], {}
    results = []
    for device in request.devices:
        if device.name not in absent:
            try:
                results.append(call_elsewhere(work, request, device, environment=device.environment))
            except NoAnswer as reason:
                name = device.name
                raise InputError(f"the process for {name} {reason}; run it alone, with --device {name}") from None
    return results, absent
