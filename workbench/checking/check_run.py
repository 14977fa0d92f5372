"""``workbench check``: a row for every kernel, dtype and device."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

from hypothesis.configuration import set_hypothesis_home_dir
from platformdirs import user_cache_path

from workbench.checking import check_report
from workbench.checking.check_request import CheckRequest
from workbench.checking.engine import check, check_case
from workbench.checking.entries import CheckEntry, entries
from workbench.checking.own_operations import declarations
from workbench.checking.results import CheckResult
from workbench.checking.saving import save_failure
from workbench.sampling import Case
from workbench.sampling.case import operation_of
from workbench.sim.host.patching import simulator
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.process import NoAnswer
from workbench.system.progress import WorkBar, compile_notices, work_bar
from workbench.system.render import message_console
from workbench.system.terminal import print_line, print_text
from workbench.target.command_device import DEVICES, CommandDevice
from workbench.target.on_devices import on_each
from workbench.target.resolve import Target

Row = dict[str, Any]
"""A result as a JSON object, and the ``target`` that names its kernel on the command line."""


FIELDS = {*(field.name for field in fields(CheckResult)), "target"}
"""The fields of a row."""

UNJUDGED = "the declaration of its operation fails: nothing can be judged by it"


def check_targets(request: CheckRequest) -> tuple[list[Row], dict[str, str]]:
    """Check the kernels of a request, with progress on standard error.

    Returns
    -------
    rows
        The results on every device. On an absent device, kernels checked on its twin have a skipped row.
    absent
        Device -> why it is not available.

    Raises
    ------
    InputError
        A file, kernel, operation or device is not available.
    """
    found, absent = on_each(check_on, request)
    rows = [row for each in found for row in each]
    return rows + _absent_rows(rows, absent), absent


def check_on(request: CheckRequest, device: CommandDevice) -> list[Row]:
    """Check the kernels of a request on one device.

    This process judges the kernels of built-in operations. Files that declare operations are imported by another process,
    which judges the kernels of these.
    """
    rows, declaring = _judged(request, device)
    for target, names in declaring.items():
        if request.exitfirst and _has_failed(rows):
            break
        if request.replay is not None and operation_of(request.replay) not in names:
            continue
        saved = any(row["status"] == "fail" for row in rows)
        own = replace(request, targets=(target,), own=True, save=None if saved else request.save_path(device))
        try:
            found = call_elsewhere(check_own, own, device, environment=device.environment, is_trusted=False)
        except NoAnswer as reason:
            raise InputError(f"{target.text}: the process that judges by its operations {reason}") from None
        if not all(isinstance(row, dict) and row.keys() == FIELDS and row["op"] in names for row in found):
            raise InputError(
                f"{target.text}: the process that judges by its operations sends something other than results"
            )
        rows += found
    return rows


def check_own(request: CheckRequest, device: CommandDevice) -> list[Row]:
    """Check the operations that the files of a request declare, and their kernels; the files are imported here."""
    with simulator(**request.simulation) if device.is_simulated else nullcontext():
        for target in request.targets:
            target.load(device.kind)
        return _judged(request, device)[0]


def _judged(request: CheckRequest, device: CommandDevice) -> tuple[list[Row], dict[Target, tuple[str, ...]]]:
    """Return the results on the kernels that this process judges, and the targets that declare operations."""
    # hypothesis would write to the user's working directory
    set_hypothesis_home_dir(user_cache_path("kernel-workbench", appauthor=False) / "hypothesis")
    console = message_console()
    with compile_notices(console) as notices, entries(request, device, notices.tell) as found:
        kernels, declaring = found.kernels, found.declaring
        rows: list[Row] = []
        if request.replay is not None and operation_of(request.replay) in {
            op for ops in declaring.values() for op in ops
        }:
            return rows, declaring
        case = request.case({entry.op for entry in kernels})
        if case is None:
            declared = declarations(request, device) if request.own else []
            if device == request.devices[0]:  # reported once
                rows += [result.to_json() | {"target": [target]} for target, result in declared]
            wrong = {result.op for _, result in declared if result.status == "fail"}
            judged = [replace(entry, absent=UNJUDGED) if entry.op in wrong else entry for entry in kernels]
            work = [(entry, dtype) for entry in judged for dtype in request.dtypes]
        else:
            work = [(entry, case.dtype) for entry in kernels if entry.op == case.op]
        save = request.save_path(device)
        examples = request.examples or device.examples
        with work_bar(console, len(work) * examples) as bar:
            for position, (entry, dtype) in enumerate(work):
                result = _checked(entry, dtype, case, examples, request, bar, position * examples)
                if entry.inside is not None:
                    result = replace(result, notes=(*result.notes, *entry.inside.acts))
                rows.append(_row(result, entry))
                if save is not None and (failure := result.counterexample) is not None:
                    failing = Case.from_token(failure.replay)
                    save_failure(save, failing, entry.runner, result.reason, entry.subject.accumulate)
                    print_line(f"saved the failing arrays in {save}", err=True)
                    save = None
                if request.exitfirst and _has_failed(rows):
                    break
        if case is not None:
            for worker in {entry.inside.worker for entry in kernels if entry.inside is not None}:
                if printed := worker.printed():
                    print_text(printed.rstrip("\n"), err=True)
    return rows, declaring


def _row(result: CheckResult, entry: CheckEntry) -> Row:
    row = result.to_json() | {"target": list(entry.arguments)}
    if result.counterexample is not None:  # here, where its operation is known
        row["counterexample"]["values"] = check_report.values(result.counterexample.replay)
    return row


def _has_failed(rows: Sequence[Row]) -> bool:
    return any(row["status"] == "fail" for row in rows)


def _checked(
    entry: CheckEntry, dtype: str, case: Case | None, examples: int, request: CheckRequest, bar: WorkBar, before: int
) -> CheckResult:
    implementation, device = entry.subject.implementation, entry.subject.label
    title = f"{implementation.name} {dtype} on {device}"
    bar.show(title, before)
    if entry.absent:
        return CheckResult(
            op=implementation.op,
            implementation=implementation.name,
            device=device,
            dtype=dtype,
            status="skipped",
            reason=entry.absent,
        )
    if case is not None:
        return check_case(entry.subject, entry.runner, case, entry.passes)
    return check(
        entry.subject,
        entry.runner,
        dtype=dtype,
        examples=examples,
        seed_value=request.seed,
        on_example=lambda count: bar.show(title, before + count),
        passes=entry.passes,
        huge=request.huge and "large" in entry.passes,
        restart=None if entry.inside is None else entry.inside.worker.restart,
    )


def _absent_rows(rows: list[Row], absent: dict[str, str]) -> list[Row]:
    """Return a skipped row on every absent device for each kernel that was checked on its twin."""
    blank: dict[str, Any] = {"examples": 0, "worst_share_of_bound": None, "counterexample": None}
    return [
        row | blank | {"notes": [], "families": {}, "device": device, "status": "skipped", "reason": reason}
        for device, reason in absent.items()
        for row in rows
        if row["device"] == DEVICES[device].twin
    ]
