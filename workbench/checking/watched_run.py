"""One call run on a kernel's Python body with every array access watched, to find races and accesses outside arrays."""

import inspect
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workbench.checking.subject import Subject
from workbench.checking.watching import Hazard, watch


class _Seen(Exception):  # noqa: N818 - no error
    """Ends the call when the body has run; carries the hazard, if there is one."""

    def __init__(self, hazard: Hazard | None) -> None:
        super().__init__()
        self.hazard = hazard


def watched_fault(subject: Subject, body: Any, arguments: Sequence[Any], seed: int | None) -> str:
    """Call the subject with ``body``, its function uncompiled; return the first hazard in a line, empty if there is none.

    Exceptions of the body are not a fault: some code that compiles cannot be run in plain Python.
    """
    names = tuple(inspect.signature(body).parameters)

    def watched(*given: Any, **keywords: Any) -> None:
        raise _Seen(watch(partial(body, **keywords), given, names[: len(given)], seed=seed))

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject.over(watched).implementation.function(*arguments)
    except _Seen as seen:
        per_thread = "get_thread_id" in getattr(getattr(body, "__code__", None), "co_names", ())
        if seen.hazard is not None and not (per_thread and seen.hazard.kind == "race"):  # here all are one thread
            return f"{seen.hazard.reason}, {Path(seen.hazard.file).name}:{seen.hazard.line}"
    except Exception:
        return ""
    return ""
