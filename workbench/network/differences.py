"""What runs have in common, and what not: the settings that differ, the last epoch and the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.network.record import EpochRecord, RunRecord
from workbench.network.settings import NAMES, settings_of


@dataclass(frozen=True, kw_only=True)
class Result:
    """How far a run has come: its last epoch, and the best one.

    ``best`` has the best accuracy on the validation images where there are any, else on the test images; of equal ones the
    smallest loss. ``planned`` is the number of epochs of the whole training, None if the record does not say.
    """

    last: EpochRecord
    best: EpochRecord
    planned: int | None
    seconds: float

    @property
    def is_validated(self) -> bool:
        """Whether the validation has chosen the best epoch."""
        return "validation_accuracy" in self.best


def result_of(record: RunRecord) -> Result:
    """Return the result of a run, which has at least one epoch; ``seconds`` is the mean training time of an epoch."""
    epochs = record["epochs"]

    def merit(epoch: EpochRecord) -> tuple[float, float]:
        if "validation_accuracy" in epoch:
            return epoch["validation_accuracy"], -epoch["validation_loss"]
        return epoch["test_accuracy"], -epoch["test_loss"]

    best = max(epochs, key=merit)
    return Result(
        last=epochs[-1],
        best=best,
        planned=record["config"].get("epochs"),
        seconds=sum(epoch["seconds"] for epoch in epochs) / len(epochs),
    )


def differences(records: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Return what differs between runs, by name, with the value of each run; None where its record has none.

    These are the settings, by their names in a configuration file; then the processor and the versions of packages, on which
    the bits of a result and its times depend too.
    """
    described = [_described(record) for record in records]
    names = dict.fromkeys(name for each in described for name in each)
    found = {name: [each.get(name) for each in described] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _described(record: RunRecord) -> dict[str, Any]:
    config = {**settings_of(record["config"]), "threads": record["config"].get("threads")}
    machine, versions = record.get("machine", {}), record.get("versions", {})
    return {
        **{name.replace("_", "-"): config.get(name) for name in NAMES},
        **({"processor": machine["cpu"]} if "cpu" in machine else {}),
        **{f"{name} version": version for name, version in versions.items()},
    }
