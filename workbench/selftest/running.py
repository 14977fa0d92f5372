"""The trials of the self-test: planted faults must be caught, right kernels must pass."""

from __future__ import annotations

import os
import queue
import threading
import traceback
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from workbench.sim.host.patching import absence
from workbench.system.process import PERTURB, Child, NoAnswer

if TYPE_CHECKING:
    from workbench.selftest.mutation import Mutant

EXAMPLES = 200
"""Cases within which a fault must be found."""

NETWORKS = 100
"""Networks within which a fault of the fused step must be found."""

RIGHT_EXAMPLES = 22_000
"""Cases on all right kernels together."""

SHARE, SAMPLE_SHARE, COMPILED_SAMPLE_SHARE = 0.25, 0.03, 0.015
"""The share of every implementation's mutants that the self-test plants, and that its sample plants: of CUDA kernels fewer,
since each trial compiles them."""

LEAST = 4
"""The least number of mutants of every implementation, in a sample too."""

SAMPLED = 4
"""A sample takes every fourth fault of the zoo, and a fourth of the cases on right kernels."""

SECONDS = 120.0
"""The time after which a trial counts as hanging."""

BOTH = ("float32", "float64")

Kind = Literal["mutant", "zoo", "cheat", "right"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One kernel to be checked.

    Attributes
    ----------
    kind : "mutant" (mechanical, of a built-in kernel), "zoo" (written by hand), "cheat" (a user's file) or "right"
    name, op, device, algorithm : those of the kernel; the algorithm is empty if the kernel is not in the registry
    fault : the kind of fault, for mutants the operator; empty for a right kernel
    change : what was changed, and where
    dtypes : checked in this order until one fails
    examples : the number of cases per dtype
    proof : why no call can show the fault, if the mutant is equivalent
    """

    kind: Kind
    name: str
    op: str
    device: str
    algorithm: str = ""
    fault: str = ""
    change: str = ""
    dtypes: tuple[str, ...] = ("float32",)
    examples: int = EXAMPLES
    proof: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The checker's verdict on a trial.

    Attributes
    ----------
    caught : whether it found a fault
    examples : the number of cases until it was found, or of all
    family : the family of values that showed it; "-" if it was not the values
    reason : the fault as reported; for a statement that this kernel does not execute, which kernel does
    executed : whether a case executed the statement that a mutant spoils. If none did, but cases of another kernel that
        shares the function do, the mutant counts for that kernel only.
    """

    trial: Trial
    caught: bool
    examples: int
    family: str = "-"
    reason: str = ""
    executed: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        outcome: dict[str, Any] = asdict(self)
        trial: dict[str, Any] = outcome.pop("trial")
        return trial | outcome


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The trials of a self-test.

    Attributes
    ----------
    trials : the trials, in order
    mutants : the number of all mutants, of which the trials contain a share
    seed : the seed that the share was drawn by
    """

    trials: tuple[Trial, ...]
    mutants: int
    seed: int


def plan(*, sample: bool, seed: int) -> Planned:
    """List the trials of the self-test: a share of the mutants of every implementation, the zoo, and right kernels."""
    from workbench.selftest.mutation import mutants

    cuda = absence() is None
    all_mutants = [each for each in mutants() if cuda or each.device == "cpu"]
    shares = {"cpu": SAMPLE_SHARE, "cuda": COMPILED_SAMPLE_SHARE} if sample else dict.fromkeys(("cpu", "cuda"), SHARE)
    drawn = [
        mutant
        for device, share in shares.items()
        for mutant in draw([each for each in all_mutants if each.device == device], share, seed)
    ]
    written = (*_of_zoo(sample=sample, cuda=cuda), *_of_cheats(sample=sample))
    trials = (*map(_of_mutant, drawn), *written, *_of_right(sample=sample))
    return Planned(trials=trials, mutants=len(all_mutants), seed=seed)


def draw(mutants: Sequence[Mutant], share: float, seed: int) -> list[Mutant]:
    """Draw a share of the mutants of every implementation, at least LEAST, by a hash of seed and name."""
    by_unit: dict[tuple[str, str, str], list[Mutant]] = {}
    for each in mutants:
        by_unit.setdefault((each.op, each.device, each.algorithm), []).append(each)
    chosen: set[Mutant] = set()
    for unit, own in by_unit.items():
        ranked = sorted(own, key=lambda each: zlib.crc32(f"{seed} {unit} {each.name}".encode()))
        chosen |= set(ranked[: max(ceil(share * len(own)), LEAST)])
    return [each for each in mutants if each in chosen]


def _of_mutant(mutant: Mutant) -> Trial:
    from workbench.selftest.equivalent import proof
    from workbench.selftest.units import FUSED

    return Trial(
        kind="mutant",
        name=mutant.name,
        op=mutant.op,
        device=mutant.device,
        algorithm=mutant.algorithm,
        fault=mutant.operator,
        change=f"{mutant.where}: {mutant.before} -> {mutant.after}",
        examples=NETWORKS if mutant.op == FUSED else EXAMPLES,
        proof=proof(mutant),
    )


def _of_zoo(*, sample: bool, cuda: bool) -> list[Trial]:
    from workbench.selftest.zoo import zoo

    return [
        Trial(kind="zoo", name=each.name, op=each.op, device=each.device, fault=each.fault, dtypes=BOTH)
        for each in zoo()[:: SAMPLED if sample else 1]
        if cuda or each.device == "cpu"
    ]


def _of_cheats(*, sample: bool) -> list[Trial]:
    from workbench.selftest.cheats import cheats

    return [
        Trial(kind="cheat", name=each.name, op="relu", device="cpu", fault="cheat")
        for each in cheats()[:: SAMPLED if sample else 1]
    ]


def _of_right(*, sample: bool) -> list[Trial]:
    from kernels.call.registry import all_implementations
    from workbench.selftest.variants import variants

    right = [(each.name, each.op, each.algorithm) for each in all_implementations() if each.device == "cpu"]
    right += [(each.name, each.op, "") for each in variants()]
    total = RIGHT_EXAMPLES // SAMPLED if sample else RIGHT_EXAMPLES
    share = -(-total // (len(right) * len(BOTH)))
    return [
        Trial(kind="right", name=name, op=op, device="cpu", algorithm=algorithm, dtypes=(dtype,), examples=share)
        for name, op, algorithm in right
        for dtype in BOTH
    ]


def run(
    planned: Sequence[Trial], *, seed: int, on_outcome: Callable[[Outcome], None], processes: int | None = None
) -> list[Outcome]:
    """Check every trial in parallel worker processes; return the outcomes in the order of the trials.

    Parameters
    ----------
    planned : the trials
    seed : the seed of the cases
    on_outcome : called with every outcome as it arrives, one call at a time
    processes : the number of processes; None: one per core
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(planned)):
        todo.put(number)
    outcomes: dict[int, Outcome] = {}
    faults: list[BaseException] = []
    stop, lock = threading.Event(), threading.Lock()
    environment = {**PERTURB, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "2"}
    children = [Child(_serve, (seed,), environment=environment) for _ in range(processes or os.cpu_count() or 1)]

    def work(child: Child) -> None:
        try:
            while not stop.is_set() and not faults:
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return
                trial = planned[number]
                outcome = _cheat_checked(trial, seed) if trial.kind == "cheat" else _outcome(trial, child)
                with lock:
                    if not stop.is_set():
                        outcomes[number] = outcome
                        on_outcome(outcome)
        except BaseException as fault:
            faults.append(fault)
        finally:
            child.close()

    threads = [threading.Thread(target=work, args=(child,)) for child in children]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        for child in children:
            child.abort()
        for thread in threads:
            thread.join()
        raise
    if faults:
        raise faults[0]
    return [outcomes[number] for number in range(len(planned))]


def _cheat_checked(trial: Trial, seed: int) -> Outcome:
    """Check a cheat as the command checks a user's file: this process judges, and another one runs it."""
    from workbench.selftest.cheats import cheats, tried

    cheat = next(each for each in cheats() if each.name == trial.name)
    result, text, examples = tried(cheat, seed)
    return Outcome(trial=trial, caught=cheat.is_caught(result, text), examples=examples, reason=f"{result}: {text}")


def _outcome(trial: Trial, child: Child) -> Outcome:
    """Check one kernel; repeat a surprising outcome in a new process, since an earlier kernel may have damaged this one."""
    used = child.is_running
    try:
        outcome, crashed = _asked(trial, child)
        surprising = outcome.caught and (crashed or bool(trial.proof) or trial.kind == "right")
    except _SelfTestError:
        if not used:
            raise
        surprising = True
    if used and surprising:
        child.end()
        outcome, _ = _asked(trial, child)
    return outcome


class _SelfTestError(RuntimeError):
    """A trial failed with an exception that is not a finding."""


def _asked(trial: Trial, child: Child) -> tuple[Outcome, bool]:
    """Return the outcome that a process reports, and whether the kernel crashed it."""
    try:
        answer: Outcome | str = child.ask(trial, SECONDS)
    except NoAnswer as reason:
        return Outcome(trial=trial, caught=True, examples=1, reason=str(reason)), reason.crashed
    if isinstance(answer, str):
        raise _SelfTestError(f"the self-test itself fails over {trial.name}:\n{answer}")
    return answer, False


def _serve(reply: Callable[[Any], None], receive: Callable[[], Any], seed: int) -> None:
    """Check the trials received; grids are small, so that blocks stride."""
    from kernels.compile import jit

    jit.MAX_BLOCKS, jit.THREADS_PER_BLOCK = 2, 16
    while True:
        trial = receive()
        try:
            reply(_checked(trial, seed))
        except Exception:  # a fault of the self-test, not one that it planted
            reply(traceback.format_exc())


def _checked(trial: Trial, seed: int) -> Outcome:
    return _mutant_checked(trial, seed) if trial.kind == "mutant" else _kernel_checked(trial, seed)


def _mutant_checked(trial: Trial, seed: int) -> Outcome:
    from workbench.selftest.mutation import named, sharing
    from workbench.selftest.trying import attempt

    mutant = named(trial.op, trial.device, trial.algorithm, trial.name)
    (dtype,) = trial.dtypes
    tried = attempt(mutant, dtype=dtype, examples=trial.examples, seed=seed)
    reason, executed = tried.reason, True
    if not tried.executed:
        executor = next((each for each in sharing(mutant) if _executes(each, dtype, trial.examples, seed)), None)
        executed = executor is None  # executed by no kernel, it counts as a survivor
        reason = f"executed by {executor.op}, {executor.algorithm}" if executor else "no case executes it"
    return Outcome(
        trial=trial,
        caught=bool(tried.reason),
        examples=tried.examples,
        family=tried.family,
        reason=reason,
        executed=executed,
    )


def _executes(mutant: Mutant, dtype: str, examples: int, seed: int) -> bool:
    from workbench.selftest.trying import attempt

    return attempt(mutant, dtype=dtype, examples=examples, seed=seed).executed


def _kernel_checked(trial: Trial, seed: int) -> Outcome:
    from workbench.checking import InProcess, Pass, Subject, check
    from workbench.target.description import has_python_body

    implementation = _implementation(trial)
    label = "sim" if trial.device == "cuda" else "cpu"
    body = implementation.function if trial.kind == "zoo" and has_python_body(implementation.function) else None
    passes: tuple[Pass, ...] = ("bounds", "watch") if label == "cpu" and body is not None else ()
    subject = Subject(implementation=implementation, label=label, body=body)
    examples = 0
    for dtype in trial.dtypes:
        result = check(
            subject,
            InProcess(subject),
            dtype=dtype,
            examples=trial.examples,
            seed_value=seed,
            shrink=False,
            passes=passes,
        )
        examples = max(examples, result.examples) if trial.kind != "right" else result.examples
        if result.counterexample is not None:
            family = result.counterexample.family if result.counterexample.index is not None else "-"
            return Outcome(trial=trial, caught=True, examples=result.examples, family=family, reason=result.reason)
    return Outcome(trial=trial, caught=False, examples=examples, reason=result.reason)


def _implementation(trial: Trial) -> Any:
    from kernels import Implementation, implementations
    from workbench.selftest.variants import variants
    from workbench.selftest.zoo import zoo

    def planted(function: Any, *, views: bool) -> Implementation:
        return Implementation(op=trial.op, device=trial.device, algorithm=trial.kind, target=function, views=views)

    if trial.kind == "zoo":
        return planted(next(each.function for each in zoo() if each.name == trial.name), views=True)
    known = {each.name: each for each in implementations(trial.op)}
    if trial.name in known:
        return known[trial.name]
    return planted(next(each.function for each in variants() if each.name == trial.name), views=False)
