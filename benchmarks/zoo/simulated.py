"""Run the zoo in the simulator: every fault must be found at its line, and no right kernel may raise an alarm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kernels.ops import IMPLEMENTATIONS
from tests.cuda_zoo import FAULTY, RIGHT
from tests.cuda_zoo.entry import Entry
from workbench.checking import built_in, check
from workbench.checking.subjects import InProcess
from workbench.sim import KernelHazard, simulator


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one kernel.

    Attributes
    ----------
    name, file : name and file of the kernel
    fault : the planted fault; empty for a right kernel
    found : number of schedules in which the fault was found or, for a right kernel, no alarm was raised
    schedules : number of thread orders tried
    lines : lines that the reports named
    wrong : what went wrong; empty for nothing
    """

    name: str
    file: str
    fault: str
    found: int
    schedules: int
    lines: tuple[int, ...] = ()
    wrong: str = ""


def run(schedules: int, on_outcome: Callable[[Outcome], None]) -> list[Outcome]:
    """Run every kernel in ``schedules`` schedules; the built-in ones on as many examples, each with its own schedule."""
    outcomes = []
    work = [lambda entry=entry: _faulty(entry, schedules) for entry in FAULTY]
    work += [lambda entry=entry: _right(entry, schedules) for entry in RIGHT]
    work += [lambda each=each: _built_in(each, schedules) for each in IMPLEMENTATIONS if each.device == "cuda"]
    for one in work:
        outcomes.append(one())
        on_outcome(outcomes[-1])
    return outcomes


def launch(entry: Entry, seed: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Launch a kernel of the zoo on fresh arguments; return them before and after the launch."""
    arguments = entry.arguments(np.random.default_rng(seed))
    before = copy.deepcopy(arguments)
    entry.run(arguments)
    return before, arguments


def wrong_result(entry: Entry, before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    """Return which output of a right kernel is wrong; "" if none is."""
    assert entry.expected is not None
    for position, wanted in entry.expected(*before).items():
        got = np.asarray(after[position])
        same = np.array_equal(got, wanted, equal_nan=True) if entry.exact else np.allclose(got, wanted, 1e-5, 1e-6)
        if not same:
            return f"argument {position} does not have the expected value"
    return ""


def _faulty(entry: Entry, schedules: int) -> Outcome:
    found, wrong, lines = 0, "", set[int]()
    marked = entry.marked_lines()
    settings: dict[str, Any] = {} if entry.capability is None else {"capability": entry.capability}
    for seed in range(schedules):
        try:
            with simulator(seed=seed, strict=True, **settings):
                launch(entry, seed)
        except KernelHazard as raised:
            found += 1
            for hazard in raised.hazards:
                lines |= set(hazard.lines)
                if hazard.kind != entry.fault or not set(hazard.lines) <= marked:
                    wrong = wrong or f"schedule {seed}: {hazard.kind} at {hazard.lines}, not {entry.fault}"
        except Exception as raised:
            wrong = wrong or f"schedule {seed}: {type(raised).__name__}: {raised}"
    if not found:
        wrong = wrong or "not found"
    return _outcome(entry, found, schedules, wrong, tuple(sorted(lines)))


def _right(entry: Entry, schedules: int) -> Outcome:
    silent, wrong = 0, ""
    for seed in range(schedules):
        try:
            with simulator(seed=seed, strict=True):
                before, after = launch(entry, seed)
            fault = wrong_result(entry, before, after)
        except Exception as raised:
            fault = f"{type(raised).__name__}: {raised}"
        if fault:
            wrong = wrong or f"schedule {seed}: {fault}"
        else:
            silent += 1
    return _outcome(entry, silent, schedules, wrong)


def _outcome(entry: Entry, found: int, schedules: int, wrong: str, lines: tuple[int, ...] = ()) -> Outcome:
    return Outcome(
        name=entry.name,
        file=Path(entry.path()).name,
        fault=entry.fault or "",
        found=found,
        schedules=schedules,
        lines=lines,
        wrong=wrong,
    )


def _built_in(implementation: Any, schedules: int) -> Outcome:
    subject = built_in(implementation, "sim")
    result = check(subject, InProcess(subject), dtype="float32", examples=schedules, shrink=False)
    return Outcome(
        name=implementation.name,
        file="",
        fault="",
        found=result.examples if result.status == "pass" else 0,
        schedules=schedules,
        wrong="" if result.status == "pass" else result.reason,
    )
