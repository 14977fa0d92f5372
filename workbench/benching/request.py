"""What a command asks to be timed: from targets, rivals and cases to sources and cases that exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kernels import OPS
from workbench import peers
from workbench.benching.contestant_process import Source
from workbench.benching.networks import NetworkCase, network_case
from workbench.cases import BenchCase, case_names, named_cases, parse_case, with_batch
from workbench.cases.named import NETWORK, NETWORK_CASES
from workbench.system.errors import InputError, nearest
from workbench.target.file import is_file_target, load_file

BUILTIN = "builtin"

NETWORK_BATCHES = {"lenet-train": (64,), "lenet-infer": (1, 64)}
"""What networks are timed at unless --batch says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command's words.

    Attributes
    ----------
    targets : operations, "network", FILE.py, FILE.py:NAME; none for all
    against : rivals: peers, "builtin", FILE.py:NAME
    case : a named case, a pattern of names, or shapes; None for all named ones
    batches : numbers of samples in the place of the cases' own
    op : of kernels that are not decorated
    device : "cpu" or "cuda"; ``partial``: one of several, so that a file may have nothing for it
    threads : for every contestant
    """

    targets: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    case: str | None = None
    batches: tuple[int, ...] = ()
    op: str | None = None
    device: str = "cpu"
    partial: bool = False
    threads: int = 1


def sources(request: Request) -> list[Source]:
    """Return where contestants come from, the baseline's source first: the package, then files, then peers.

    Raises
    ------
    InputError
        A rival is unknown or not installed, a file or kernel not there or not for the device.
    """
    found: list[Source] = []
    files = [target for target in request.targets if is_file_target(target)]
    if len(files) < len(request.targets) or not files or not request.against or BUILTIN in request.against:
        found.append(Source(kind="builtin"))
    for target in (*files, *filter(is_file_target, request.against)):
        found += _of_file(target, request)
    for rival in request.against:
        if rival == BUILTIN or is_file_target(rival):
            continue
        if rival not in peers.PEERS:
            raise nearest("peer", rival, (*peers.PEERS, BUILTIN, "FILE.py:NAME"))
        if fault := peers.missing(rival):
            raise InputError(f"--against {rival}: {fault}")
        if peers.runs_on(rival, request.device):
            found.append(Source(kind="peer", name=rival))
        elif not request.partial:
            raise InputError(f"--against {rival}: runs on the CPU only; leave it out, or use --device cpu")
    unique = dict.fromkeys(found)
    return [replace(source, device=request.device, threads=request.threads) for source in unique]


def _of_file(target: str, request: Request) -> list[Source]:
    loaded = load_file(target, op=request.op, device=request.device)
    fitting = [kernel for kernel in loaded.kernels if kernel.device == request.device]
    if not fitting and not request.partial:
        raise InputError(f"{target}: has no kernel for {request.device}; choose another --device")
    file = target if loaded.named else f"{target}:"
    return [
        Source(kind="file", name=target if loaded.named else f"{file}{kernel.name}", op=request.op)
        for kernel in fitting
    ]


def cases(request: Request) -> list[BenchCase | NetworkCase]:
    """Return what is timed.

    Raises
    ------
    InputError
        There is no such case or operation, or the shapes do not fit.
    """
    names = _operations(request)
    if request.case is not None and "=" in request.case:
        if len(names) != 1 or NETWORK in names:
            raise InputError(
                f"--case {request.case!r}: shapes are of one operation; name it: workbench bench conv2d ..."
            )
        return list(_batched([parse_case(OPS[names[0]], request.case)], request.batches))
    if request.case is not None:
        _check_name(request)
    found: list[BenchCase | NetworkCase] = []
    for name in names:
        chosen = _networks(request) if name == NETWORK else _named(name, request)
        if not chosen and request.targets and not request.partial:
            raise _has_none(name, request)
        found += chosen
    if not found and not request.partial:
        raise InputError(f"--case {request.case}: nothing of it runs on {request.device}; choose another --device")
    return found


def _operations(request: Request) -> tuple[str, ...]:
    names: list[str] = []
    for target in request.targets:
        if is_file_target(target):
            names += [kernel.op.name for kernel in load_file(target, op=request.op, device=request.device).kernels]
        elif target != NETWORK and target not in OPS:
            raise nearest("operation", target, (*OPS, NETWORK))
        else:
            names.append(target)
    return tuple(dict.fromkeys(names)) or (*OPS, NETWORK)


def _check_name(request: Request) -> None:
    known = case_names()
    base, _, batch = str(request.case).rpartition("-b")
    is_known = any(_matches(name, request.case) for name in known)
    if not is_known and not (base in known and batch.isdecimal() and int(batch)):
        raise nearest("case", str(request.case), known)


def _matches(name: str, wanted: str | None) -> bool:
    """Return whether a case is asked for: by its name, or by a pattern, which means no case at another batch."""
    if wanted is None or set(wanted) & set("*?["):
        return fnmatchcase(name, wanted or "*") and not is_batched(name)
    return name == wanted


def _named(op: str, request: Request) -> list[BenchCase | NetworkCase]:
    known = named_cases(op)
    found = [case for case in known if _matches(case.name, request.case)]
    base, _, batch = str(request.case).rpartition("-b")
    if request.batches and found and request.case is not None and is_batched(request.case):
        raise InputError(f"--batch: {request.case} has its own; name {base}, or leave --batch out")
    if not found and batch.isdecimal():
        return list(_batched([case for case in known if case.name == base], (int(batch),)))
    return list(_batched(found, request.batches))


def is_batched(name: str) -> bool:
    """Return whether a case is another one at another batch."""
    return name.rpartition("-b")[2].isdecimal() and "-b" in name


def _batched(found: Sequence[BenchCase], batches: Iterable[int]) -> Iterable[BenchCase]:
    sizes = tuple(batches)
    return [with_batch(case, size) for case in found for size in sizes] if sizes else found


def _networks(request: Request) -> list[BenchCase | NetworkCase]:
    base, _, batch = (request.case or "").rpartition("-b")
    if request.device != "cpu":
        return []
    if base in NETWORK_CASES and batch.isdecimal():
        return [network_case(base, int(batch))]
    return [
        network_case(name, size)
        for name in NETWORK_CASES
        if _matches(name, request.case)
        for size in request.batches or NETWORK_BATCHES[name]
    ]


def _has_none(name: str, request: Request) -> InputError:
    has = ", ".join(case.name for case in named_cases(name) if not is_batched(case.name))
    if name != NETWORK and not has:
        return InputError(f"{name}: there are no named cases of it; give shapes, --case 'x=...'")
    return InputError(f"--case {request.case}: {name} has no such case; it has {has or ', '.join(NETWORK_CASES)}")
