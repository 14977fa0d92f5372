"""The request of ``workbench bench``, and the sources of contestants and the cases that it selects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kernels import OPS
from workbench import peers
from workbench.benching.contestant_process import Source
from workbench.benching.networks import NetworkCase, network_case
from workbench.cases import BenchCase, batch_of, case_names, is_batched, named_cases, parse_case, with_batch
from workbench.cases.named import NETWORK, NETWORK_CASES
from workbench.system.errors import InputError, nearest
from workbench.target.command_device import TIMED, CommandDevice
from workbench.target.on_devices import OnDevices
from workbench.target.resolve import Target
from workbench.timing.statistics import CONFIDENCE

BUILTIN = "builtin"

NETWORK_BATCHES = {"lenet-train": (64,), "lenet-infer": (1, 64)}
"""The default batch sizes of networks."""


@dataclass(frozen=True, kw_only=True)
class BenchRequest(OnDevices):
    """The parsed command line of ``workbench bench`` or ``workbench roofline``.

    Attributes
    ----------
    targets : operations, "network", files; empty for all
    against : rivals: peers, "builtin", files
    case : a named case, a pattern of names, or shapes; None for all named cases
    batches : batch sizes that replace those of the cases
    dtypes : the precisions of each case; networks use float32 only
    threads : the number of threads of every contestant
    budget_s : seconds of timing for each contestant on a case
    confidence : the confidence level of intervals and verdicts
    own : whether this process imports the files, for the operations that they declare
    """

    targets: tuple[Target, ...] = ()
    against: tuple[Target, ...] = ()
    case: str | None = None
    batches: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ("float32",)
    threads: int = 1
    budget_s: float = 3.0
    confidence: float = CONFIDENCE
    own: bool = False

    @property
    def files(self) -> tuple[Target, ...]:
        """The targets and rivals that are files."""
        return tuple(target for target in (*self.targets, *self.against) if target.is_file)


def sources(request: BenchRequest, device: CommandDevice) -> list[Source]:
    """Return the sources of contestants, that of the baseline first: the package, then files, then peers.

    Raises
    ------
    InputError
        A rival is unknown or not installed; a file or kernel does not exist or is not for the device.
    """
    found: list[Source] = []
    files = [target for target in request.targets if target.is_file]
    rivals = [rival.text for rival in request.against if not rival.is_file]
    if len(files) < len(request.targets) or not files or not request.against or BUILTIN in rivals:
        found.append(Source(kind="builtin"))
    for target in (*files, *(rival for rival in request.against if rival.is_file)):
        found += _of_file(target, request, device)
    for rival in rivals:
        if rival == BUILTIN:
            continue
        if rival not in peers.PEERS:
            raise nearest("peer", rival, (*peers.PEERS, BUILTIN, "FILE.py:NAME"))
        if fault := peers.missing(rival):
            raise InputError(f"--against {rival}: {fault}")
        if peers.runs_on(rival, device.kind):
            found.append(Source(kind="peer", name=rival))
        elif not request.is_partial:
            raise InputError(f"--against {rival}: runs on the CPU only; leave it out, or use --device cpu")
    unique = dict.fromkeys(found)
    return [replace(source, device=device, threads=request.threads) for source in unique]


def _of_file(target: Target, request: BenchRequest, device: CommandDevice) -> list[Source]:
    facts = target.facts(device)
    return [
        Source(kind="file", name=target.text if facts.named else f"{target.text}:{kernel.name}", op=target.op)
        for kernel in target.fitting(facts.kernels, device, TIMED, needed=not request.is_partial)
    ]


def cases(request: BenchRequest, device: CommandDevice) -> list[BenchCase | NetworkCase]:
    """Return the cases to time.

    Raises
    ------
    InputError
        The case or operation does not exist, or the shapes do not fit.
    """
    names = _operations(request, device)
    if request.case is not None and "=" in request.case:
        if not request.targets or NETWORK in names:
            raise InputError(
                f"--case {request.case!r}: name the operations of these shapes: workbench bench conv2d ..."
            )
        return list(_batched([parse_case(OPS[name], request.case) for name in names], request.batches))
    if request.case is not None:
        _check_name(request)
    found: list[BenchCase | NetworkCase] = []
    for name in names:
        chosen = _networks(request, device) if name == NETWORK else _named(name, request)
        if not chosen and request.targets and not request.is_partial:
            raise _has_none(name, request)
        found += chosen
    if not found and not request.is_partial:
        raise InputError(f"--case {request.case}: nothing of it runs on {device.name}; choose another --device")
    return found


def _operations(request: BenchRequest, device: CommandDevice) -> tuple[str, ...]:
    names = [name for target in request.targets for name in target.operations(device, also=(NETWORK,))]
    return tuple(dict.fromkeys(names)) or (*OPS, NETWORK)


def _check_name(request: BenchRequest) -> None:
    known = case_names()
    base, batch = batch_of(request.case)
    is_known = any(_matches(name, request.case) for name in known)
    if not is_known and not (base in known and batch):
        raise nearest("case", str(request.case), known)


def _matches(name: str, wanted: str | None) -> bool:
    """Return whether a case is selected: by its name, or by a pattern, which does not select other batch sizes of a case."""
    if wanted is None or set(wanted) & set("*?["):
        return fnmatchcase(name, wanted or "*") and not is_batched(name)
    return name == wanted


def _named(op: str, request: BenchRequest) -> list[BenchCase | NetworkCase]:
    known = named_cases(op)
    found = [case for case in known if _matches(case.name, request.case)]
    base, batch = batch_of(request.case)
    if request.batches and found and request.case is not None and is_batched(request.case):
        raise InputError(f"--batch: {request.case} has its own; name {base}, or leave --batch out")
    if not found and batch:
        return list(_batched([case for case in known if case.name == base], (batch,)))
    return list(_batched(found, request.batches))


def _batched(found: Sequence[BenchCase], batches: Iterable[int]) -> Iterable[BenchCase]:
    sizes = tuple(batches)
    return [with_batch(case, size) for case in found for size in sizes] if sizes else found


def _networks(request: BenchRequest, device: CommandDevice) -> list[BenchCase | NetworkCase]:
    base, batch = batch_of(request.case)
    if base in NETWORK_CASES and batch:
        return [network_case(base, batch, device.kind)]
    return [
        network_case(name, size, device.kind)
        for name in NETWORK_CASES
        if _matches(name, request.case)
        for size in request.batches or NETWORK_BATCHES[name]
    ]


def _has_none(name: str, request: BenchRequest) -> InputError:
    has = ", ".join(case.name for case in named_cases(name) if not is_batched(case.name))
    if name != NETWORK and not has:
        return InputError(f"{name}: there are no named cases of it; give shapes, --case 'x=...'")
    return InputError(f"--case {request.case}: {name} has no such case; it has {has or ', '.join(NETWORK_CASES)}")
