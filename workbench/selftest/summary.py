"""The result of a self-test: its outcomes by kind, and the figures by which the checker is judged."""

from dataclasses import dataclass
from functools import cached_property
from itertools import count
from statistics import median
from typing import Any

from workbench.selftest import running
from workbench.selftest.running import Outcome, Planned
from workbench.system.progress import work_bar
from workbench.system.render import message_console

KILL_RATE = 0.98
"""The least share of the faults that the checker must catch; equivalent mutants do not count."""


@dataclass(frozen=True)
class SelfTest:
    """The outcomes of the planned trials, in order."""

    planned: Planned
    outcomes: list[Outcome]

    @cached_property
    def mutants(self) -> list[Outcome]:
        """The outcomes of mutants."""
        return [each for each in self.outcomes if each.trial.kind == "mutant"]

    @cached_property
    def equivalent(self) -> list[Outcome]:
        """The outcomes of mutants with a proof that no call can show the change."""
        return [each for each in self.mutants if each.executed and each.trial.proof]

    @cached_property
    def faulty(self) -> list[Outcome]:
        """The outcomes of faults that the checker must find."""
        return [
            each
            for each in self.outcomes
            if each.executed and each.trial.kind in ("mutant", "zoo") and not each.trial.proof
        ]

    @cached_property
    def cheats(self) -> list[Outcome]:
        """The outcomes of cheats."""
        return [each for each in self.outcomes if each.trial.kind == "cheat"]

    @cached_property
    def right(self) -> list[Outcome]:
        """The outcomes of right kernels."""
        return [each for each in self.outcomes if each.trial.kind == "right"]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The figures, as in the JSON."""
        needed = [each.examples for each in self.faulty if each.caught]
        units = {(each.trial.op, each.trial.device, each.trial.algorithm) for each in self.mutants}
        return {
            "faults": len(self.faulty),
            "caught": len(needed),
            "kill_rate": len(needed) / max(len(self.faulty), 1),
            "median_examples": median(needed) if needed else None,
            "most_examples": max(needed, default=None),
            "mutants": {
                "planted": len(self.mutants),
                "of": self.planned.mutants,
                "share": len(self.mutants) / max(self.planned.mutants, 1),
                "seed": self.planned.seed,
                "implementations": len(units),
                "executed_elsewhere": sum(not each.executed for each in self.mutants),
            },
            "cheats": {"tried": len(self.cheats), "caught": sum(each.caught for each in self.cheats)},
            "equivalent": len(self.equivalent),
            "right_kernels": len(self.right),
            "right_examples": sum(each.examples for each in self.right),
            "false_alarms": sum(each.caught for each in self.right),
        }

    @property
    def is_good(self) -> bool:
        """Whether the checker catches enough and every cheat, raises no false alarm and passes the equivalent mutants."""
        alarms = self.summary["false_alarms"] or any(each.caught for each in self.equivalent)
        cheated = any(not each.caught for each in self.cheats)
        return self.summary["kill_rate"] >= KILL_RATE and not alarms and not cheated


def run_self_test(*, sample: bool, seed: int) -> SelfTest:
    """Run the self-test, or a sample of it, with progress on standard error."""
    planned = running.plan(sample=sample, seed=seed)
    done = count(1)
    with work_bar(message_console(), len(planned.trials)) as bar:
        bar.show("starting", 0)
        outcomes = running.run(
            planned.trials, seed=seed, on_outcome=lambda outcome: bar.show(outcome.trial.name[:60], next(done))
        )
    return SelfTest(planned, outcomes)
