"""The resolver of targets that all commands use: from an argument of the command line to kernels."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from kernels import OPS, Implementation, implementations
from workbench.oracle.bounds import ACCUMULATE
from workbench.sim.host.patching import simulator
from workbench.system.errors import InputError, nearest
from workbench.target.binding import UserKernel
from workbench.target.command_device import CommandDevice
from workbench.target.description import FileFacts, KernelFacts
from workbench.target.file import UserFile, find_file, load_file
from workbench.target.launch import parse_extent
from workbench.target.trial import Within, try_import

AnyKernel = TypeVar("AnyKernel", UserKernel, KernelFacts)
"""A kernel that this process has loaded, or the facts about one."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An operation, which means its built-in kernels, or FILE.py or FILE.py:NAME.

    Attributes
    ----------
    text : the argument of the command line
    op : the operation of kernels of a file that are not decorated
    accumulate : the precision that kernels of a file are judged by, instead of the one that they declare
    names, grid, block : of kernels of a file that are not decorated, as texts: "A=x,B=w", and see ``parse_extent``
    """

    text: str
    op: str | None = None
    accumulate: str | None = None
    names: str | None = None
    grid: str | None = None
    block: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the command line that it was given with."""
        given = {
            "--op": self.op,
            "--accumulate": self.accumulate,
            "--names": self.names,
            "--grid": self.grid,
            "--block": self.block,
        }
        return tuple(word for option, value in given.items() if value is not None for word in (option, value))

    @property
    def is_file(self) -> bool:
        """Whether it names a file."""
        path = self.text.rpartition(":")[0] or self.text
        is_path = path.endswith(".py") or "/" in path or ":" in self.text or Path(path).is_file()
        return self.text not in OPS and is_path

    def load(self, kind: str | None = None) -> UserFile:
        """Import the file into this process; ``kind`` is the kind of arrays that plain Python functions take.

        The process that judges, or that the user talks to, uses ``facts`` instead.
        """
        return load_file(
            self.text,
            op=self.op,
            device=kind,
            accumulate=self.accumulate,
            names=parse_names(self.names),
            grid=None if self.grid is None else parse_extent("--grid", self.grid),
            block=None if self.block is None else parse_extent("--block", self.block),
        )

    def facts(self, device: CommandDevice | None = None, within: Within = nullcontext) -> FileFacts:
        """Return the facts about the file, which is imported in a process of its own.

        Parameters
        ----------
        device : the device whose arrays plain Python functions take; None: those that their code is for
        within : a context in which the file is imported

        Raises
        ------
        InputError
            The file or name does not exist, its import fails or does not end, or a kernel does not bind.
        """
        file, _ = find_file(self.text)
        return _facts(self, device, within, file.resolve(), file.stat().st_mtime_ns)

    def kernels(
        self, device: CommandDevice, choices: Iterable[CommandDevice], *, needed: bool = True
    ) -> tuple[UserKernel, ...]:
        """Import the file into this process, and return its kernels that run on a device; see ``fitting``."""
        return self.fitting(self.load(device.kind).kernels, device, choices, needed=needed)

    def fitting(
        self,
        found: Sequence[AnyKernel],
        device: CommandDevice,
        choices: Iterable[CommandDevice],
        *,
        needed: bool = True,
    ) -> tuple[AnyKernel, ...]:
        """Return those of the file's kernels that run on a device.

        Parameters
        ----------
        found : the file's kernels, or the facts about them
        device : the device
        choices : the devices of the command
        needed : whether there must be at least one kernel

        Raises
        ------
        InputError
            None is for the device.
        """
        fitting = tuple(kernel for kernel in found if kernel.device == device.kind)
        if fitting or not needed:
            return fitting
        if not found:
            raise InputError(f"{self.text}: has no kernel for {device.name}; decorate one with @implements")
        names = ", ".join(kernel.name for kernel in found)
        others = " or ".join(each.name for each in choices if each.kind != device.kind)
        raise InputError(
            f"{self.text}: has no kernel for {device.name}: {names} is not for {device.name}; use --device {others}"
        )

    def built_in(self, kind: str) -> list[Implementation]:
        """Return the operation's built-in implementations of a kind; none for a file."""
        if self.is_file:
            return []
        return [each for each in implementations(self.text) if each.device == kind and each.algorithm != "user"]

    def operations(self, device: CommandDevice, also: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the names of the operations that its kernels compute; names in ``also`` are accepted as operations."""
        if self.is_file:
            return tuple(kernel.op for kernel in self.facts(device).kernels)
        return (known_operation(self.text, also),)

    def kinds(self, within: Within = nullcontext) -> tuple[str, ...]:
        """Return the kinds of its kernels, "cpu" or "cuda"; those of an operation count as "cpu".

        ``within`` is a context in which a file is imported.
        """
        found = self.facts(within=within).kernels if self.is_file else ()
        return tuple(sorted({kernel.device for kernel in found})) or ("cpu",)


@cache
def _facts(target: Target, device: CommandDevice | None, within: Within, _file: Path, _changed: int) -> FileFacts:
    load = partial(target.load, None if device is None else device.kind)
    return try_import(load, target.text, simulator if device is not None and device.is_simulated else within)


def known_operation(name: str, also: Sequence[str] = ()) -> str:
    """Return the name of an operation.

    Raises
    ------
    InputError
        There is no such operation.
    """
    known = (*OPS, *also)
    if name not in known:
        raise nearest("operation", name, known)
    return name


def parse_names(text: str | None) -> dict[str, str]:
    """Return the names of parameters in the operation that a text such as "A=x,B=w" gives.

    Raises
    ------
    InputError
        It is not of this form.
    """
    names: dict[str, str] = {}
    for part in (text or "").split(",") if text is not None else ():
        own, separator, name = (each.strip() for each in part.partition("="))
        if not separator or not own.isidentifier() or not name.isidentifier():
            raise InputError(f"--names: {text!r} is not a list of PARAMETER=NAME; write for example A=x,B=w")
        names[own] = name
    return names


def parse_targets(
    words: Iterable[str],
    *,
    op: str | None = None,
    accumulate: str | None = None,
    names: str | None = None,
    grid: str | None = None,
    block: str | None = None,
) -> tuple[Target, ...]:
    """Return the targets of the arguments, each once. Files are not opened before they are loaded.

    Raises
    ------
    InputError
        An operation or a precision is unknown; an option applies to kernels of a file only, and there is no file.
    """
    if accumulate not in (None, *ACCUMULATE):
        raise nearest("precision", str(accumulate), list(ACCUMULATE))
    parse_names(names)
    for option, value in (("--grid", grid), ("--block", block)):
        if value is not None:
            parse_extent(option, value)
    targets = tuple(
        Target(text=word, op=op, accumulate=accumulate, names=names, grid=grid, block=block)
        for word in dict.fromkeys(words)
    )
    for target in targets:
        if not target.is_file:
            known_operation(target.text)
    given = {"--op": op, "--accumulate": accumulate, "--names": names, "--grid": grid, "--block": block}
    for option, value in given.items():
        if value is not None and not any(target.is_file for target in targets):
            raise InputError(f"{option}: is for a kernel of yours; name its file, FILE.py:NAME")
    return targets
