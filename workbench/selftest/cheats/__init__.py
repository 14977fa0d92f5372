"""Cheats: users' files that try to pass without computing their operation, or to spoil the check.

``cheats.toml`` lists them. Each is checked as a user's file is: it must fail, or be refused; where the kernel is right, what
it does must be told.
"""

import tempfile
import threading
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from workbench.checking import check
from workbench.checking.check_request import CheckRequest
from workbench.checking.entries import entries
from workbench.system.errors import InputError
from workbench.target.command_device import CPU
from workbench.target.resolve import Target

Result = Literal["failed", "refused", "told", "passed"]

EXAMPLES = 60
"""Cases within which a cheat must be found."""

SECONDS = 3.0
"""The time for one call."""

_ONE_AT_A_TIME = threading.Lock()
"""Held during a check: hypothesis and the compiled references are of the whole process."""


@dataclass(frozen=True, kw_only=True)
class Cheat:
    """A user's file with one kernel of relu that cheats.

    Attributes
    ----------
    name : what it does
    source : the file
    due : what must come of it
    words : what the reason, the message or the report must contain
    """

    name: str
    source: str
    due: Result
    words: str = ""

    def is_caught(self, result: Result, text: str) -> bool:
        """Return whether a check came to what is due."""
        return result == self.due and self.words in text


@cache
def cheats() -> tuple[Cheat, ...]:
    """Return every cheat."""
    text = files(__name__).joinpath("cheats.toml").read_text(encoding="utf-8")
    return tuple(
        Cheat(name=each["name"], source=each["source"], due=each["is"], words=each.get("words", ""))
        for each in tomllib.loads(text)["cheat"]
    )


def tried(cheat: Cheat, seed: int = 0) -> tuple[Result, str, int]:
    """Check a cheat as a user's file; return the result, its reason, message or notes, and the number of cases."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        file = Path(folder, "cheat.py")
        file.write_text(cheat.source, encoding="utf-8")
        request = CheckRequest(targets=(Target(text=str(file)),), timeout=SECONDS)
        try:
            with _ONE_AT_A_TIME, entries(request, CPU, lambda _name, _seconds: None) as found:
                (entry,) = found.kernels
                assert entry.inside is not None
                result = check(
                    entry.subject,
                    entry.runner,
                    dtype="float32",
                    examples=EXAMPLES,
                    seed_value=seed,
                    shrink=False,
                    restart=entry.inside.worker.restart,
                )
                told = "; ".join((*result.notes, *entry.inside.acts))
        except InputError as error:
            return "refused", str(error), 0
    if result.status == "fail":
        return "failed", result.reason, result.examples
    if result.status != "pass":
        return "refused", result.reason, result.examples
    return ("told" if told else "passed"), told, result.examples
