"""The document of a benchmark run, from which reports are made."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from kernels.memory.devices import get_device
from workbench.benching import comparing
from workbench.benching.bench_request import BenchRequest, cases, sources
from workbench.benching.bench_run import session
from workbench.benching.bench_table import progress_line
from workbench.benching.predicted import predictions
from workbench.benching.rows import finite
from workbench.cases import BenchCase
from workbench.roofline import Peaks, measure_peaks
from workbench.system import machine
from workbench.system.elsewhere import call_elsewhere
from workbench.system.errors import InputError
from workbench.system.nvml import gpu_state
from workbench.system.process import NoAnswer
from workbench.system.progress import CompileNotices, work_bar
from workbench.system.render import message_console
from workbench.target.command_device import CommandDevice
from workbench.target.on_devices import on_each

Document = dict[str, Any]

BUSY = 0.1
"""The share of the processor used by other processes from which a run says so."""


def bench_targets(request: BenchRequest, command: str = "", earlier: Mapping[str, Any] | None = None) -> Document:
    """Time the cases of a request on every device.

    Parameters
    ----------
    request : the cases and contestants
    command : the command line, for the document
    earlier : the document of an earlier run to compare with

    Raises
    ------
    InputError
        A file, kernel, case, rival or device is not available, or the earlier run is from another machine.
    """
    first = request.devices[0]
    if not _declares_operations(request, first):
        for check in (cases, sources):  # raise errors before anything is measured
            check(request, first)
    facts = machine.summary() | {"versions": machine.versions()}
    if earlier is not None:
        comparing.check_machine(earlier, facts)
    parts, absent = on_each(bench_on, request)
    document: Document = {
        "schema": 1,
        "command": command,
        "machine": facts,
        "skipped": absent,
        "compared": None,
        "gpu_state": None,
    }
    for part in parts:
        document |= {name: part[name] for name in ("when", "confidence", "used_by_others")}
        document["gpu_state"] = part["gpu_state"] or document["gpu_state"]
        document["peaks"] = document.get("peaks", {}) | part["peaks"]
        document["skipped"] = document["skipped"] | part["skipped"]
        for name in ("controls", "rows"):
            document[name] = document.get(name, []) + part[name]
    given = request.case if "=" in (request.case or "") else None
    document["predicted"] = predictions(document.get("rows", []), request.targets, given, facts.get("gpu"))
    if earlier is not None:
        document["compared"] = [each.to_json() for each in comparing.compare(earlier, document)]
    return document


def bench_on(request: BenchRequest, device: CommandDevice) -> Document:
    """Time the cases of a request on one device and return its part of the document; progress goes to standard error.

    Files that declare operations are imported by another process, which does the work.
    """
    if request.own:
        for target in request.files:
            target.load(device.kind)
    elif _declares_operations(request, device):
        try:
            return call_elsewhere(bench_on, replace(request, own=True), device, environment=device.environment)
        except NoAnswer as reason:
            raise InputError(f"the process that times operations of your own {reason}") from None
    machine.use_threads(request.threads)
    work = [
        (case, dtype)
        for case in cases(request, device)
        for dtype in (request.dtypes if isinstance(case, BenchCase) else ("float32",))
    ]
    found = sources(request, device)
    get_device(device.kind)
    console = message_console()
    if (others := machine.used_by_others()) is not None and others > BUSY:
        console.print(f"other processes use {others:.0%} of the processor: times will be unsteady")
    notices = CompileNotices(console)
    rows: list[Any] = []
    on_gpu = device.kind == "cuda"
    with work_bar(console, len(work)) as bar:
        done = 0

        def tell(what: str, share: float) -> None:
            bar.show(what, done + share)

        peaks = _peaks(on_gpu, lambda part: tell(f"the machine's limits: {part}", 0.0))
        before = gpu_state() if on_gpu else None
        with session(found, request, peaks, tell, notices.tell) as running:
            for position, (case, dtype) in enumerate(work):
                done = position
                found_rows = [row.to_json() for row in running.rows(case, dtype)]
                rows += found_rows
                if not console.is_terminal:
                    console.print(f"[{position + 1}/{len(work)}] {progress_line(found_rows)}")
        after = gpu_state() if on_gpu else None
    notices.total()
    return {
        "gpu_state": None if before is None else {"before": before, "after": after},
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "confidence": request.confidence,
        "used_by_others": others,
        "peaks": {device.name: asdict(peaks)},
        "controls": [finite(asdict(control)) for control in running.seen],
        "skipped": running.absent,
        "rows": rows,
    }


def _declares_operations(request: BenchRequest, device: CommandDevice) -> bool:
    return any(target.facts(device).ops for target in request.files)


def _peaks(on_gpu: bool, on_part: Callable[[str], None]) -> Peaks:
    if not on_gpu:
        return measure_peaks(on_part)
    from workbench.roofline.gpu import measure_gpu_peaks

    return measure_gpu_peaks(on_part)
