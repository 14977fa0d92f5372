"""Timing with progress, for the commands that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cli.common import CompileNotices, Document

if TYPE_CHECKING:
    from workbench.benching.request import Request


def measured(asked: Request, dtypes: tuple[str, ...], *, budget_s: float, confidence: float | None = None) -> Document:
    """Time what is asked for on one device, showing on standard error what is being done and what Numba compiles."""
    from workbench.benching.bench_run import Settings
    from workbench.benching.document import measure
    from workbench.cli.progress import work_bar
    from workbench.system import render
    from workbench.timing.statistics import CONFIDENCE

    console = render.message_console()
    notices = CompileNotices(console)
    with work_bar(console, 1) as bar:
        done = 0

        def on_case(position: int, total: int) -> None:
            nonlocal done
            done = position
            bar.extend(total)

        settings = Settings(
            budget_s=budget_s,
            confidence=confidence or CONFIDENCE,
            on_progress=lambda what, share: bar.show(what, done + share),
        )
        document = measure(asked, dtypes, settings, on_case=on_case, on_compile=notices.tell)
    notices.total()
    return document
