"""``workbench check``: a row for every kernel, dtype and device."""

from dataclasses import replace
from typing import Any

from hypothesis.configuration import set_hypothesis_home_dir
from platformdirs import user_cache_path

from workbench.checking.check_request import CheckRequest
from workbench.checking.engine import check, check_case
from workbench.checking.entries import CheckEntry, declarations, entries
from workbench.checking.results import CheckResult
from workbench.checking.saving import save_failure
from workbench.sampling import Case
from workbench.system.progress import WorkBar, compile_notices, work_bar
from workbench.system.render import message_console
from workbench.system.terminal import print_line, print_text
from workbench.target.command_device import DEVICES, CommandDevice
from workbench.target.on_devices import on_each

Row = dict[str, Any]
"""A result as a JSON object, and the ``target`` that names its kernel on the command line."""


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
    """Check the kernels of a request on one device, in this process."""
    # hypothesis would write to the user's working directory
    set_hypothesis_home_dir(user_cache_path("kernel-workbench", appauthor=False) / "hypothesis")
    console = message_console()
    with compile_notices(console) as notices, entries(request, device, notices.tell) as found:
        case = request.case({entry.op for entry in found})
        rows: list[Row] = []
        if case is None:
            declared = declarations(request, device)
            if device == request.devices[0]:  # reported once
                rows += [result.to_json() | {"target": [target]} for target, result in declared]
            wrong = {result.op for _, result in declared if result.status == "fail"}
            judged = [replace(entry, absent=UNJUDGED) if entry.op in wrong else entry for entry in found]
            work = [(entry, dtype) for entry in judged for dtype in request.dtypes]
        else:
            work = [(entry, case.dtype) for entry in found if entry.op == case.op]
        save = request.save_path(device)
        examples = request.examples or device.examples
        with work_bar(console, len(work) * examples) as bar:
            for position, (entry, dtype) in enumerate(work):
                result = _checked(entry, dtype, case, examples, request.seed, bar, position * examples)
                rows.append(result.to_json() | {"target": list(entry.arguments)})
                if save is not None and (failure := result.counterexample) is not None:
                    failing = Case.from_token(failure.replay)
                    save_failure(save, failing, entry.runner, result.reason, entry.subject.accumulate)
                    print_line(f"saved the failing arrays in {save}", err=True)
                    save = None
        if case is not None:
            for worker in {entry.worker for entry in found if entry.worker is not None}:
                if printed := worker.printed():
                    print_text(printed.rstrip("\n"), err=True)
    return rows


def _checked(
    entry: CheckEntry, dtype: str, case: Case | None, examples: int, seed: int, bar: WorkBar, before: int
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
        seed_value=seed,
        on_example=lambda count: bar.show(title, before + count),
        passes=entry.passes,
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
