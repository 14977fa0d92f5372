"""One call run on a kernel's Python body with every array access watched, to find races and accesses outside arrays."""

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.checking.subject import Subject
from workbench.checking.watching import Hazard, watch


class _Seen(Exception):  # noqa: N818 - no error
    """Ends the call at a hazard, which it carries."""

    def __init__(self, hazard: Hazard) -> None:
        super().__init__()
        self.hazard = hazard


def watched_fault(subject: Subject, body: Any, arguments: Sequence[Any], seed: int | None) -> Hazard | None:
    """Call the subject with ``body``, its function uncompiled; return the first hazard, its reason with file and line.

    The outputs have the body's results.

    Exceptions of the body are not a fault: some code that compiles cannot be run in plain Python.
    """
    names = tuple(inspect.signature(body).parameters)

    def watched(*given: Any, **keywords: Any) -> Any:
        results: list[Any] = []
        body_with_keywords = partial(body, **keywords)
        hazard = watch(body_with_keywords, given, names[: len(given)], seed=seed, on_result=results.append)
        if hazard is not None:
            raise _Seen(hazard)
        return results[0]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject.over(watched).implementation.function(*arguments)
    except _Seen as seen:
        per_thread = "get_thread_id" in getattr(getattr(body, "__code__", None), "co_names", ())
        if not (per_thread and seen.hazard.kind == "race"):  # here all are one thread
            reason = f"{seen.hazard.reason}, {Path(seen.hazard.file).name}:{seen.hazard.line}"
            return replace(seen.hazard, reason=reason)
    except Exception:
        return None
    return None
