"""LLVM's remarks on the loops that it turned into SIMD, and on those that it did not."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workbench.inspecting.cpu.debug_lines import Place
from workbench.numba_internals.llvm import binding as llvm
from workbench.system.terminal import print_text

_KINDS = ("pass-remarks", "pass-remarks-missed", "pass-remarks-analysis")
_LINE = re.compile(r"^remark: (.*?):(\d+):\d+: (.*)$", flags=re.MULTILINE)
_OURS = re.compile(r"^remark: |dependence")  # a remark may continue on a second line, on a dependence
_WHY = "loop not vectorized: "


@dataclass(frozen=True)
class Remark:
    """A remark of LLVM's loop vectoriser on the loop that begins at a place."""

    place: Place
    text: str

    @property
    def reason(self) -> str | None:
        """Why the loop is not SIMD; None where it is, or LLVM gives no reason."""
        return self.text.removeprefix(_WHY) if self.text.startswith(_WHY) else None


@contextmanager
def vectoriser_remarks() -> Iterator[list[Remark]]:
    """Collect the remarks of LLVM's loop vectoriser on code compiled inside the block.

    LLVM writes to the process's standard error, even if Python redirects ``sys.stderr``; other lines are passed on.
    """
    remarks: list[Remark] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as file:
        os.dup2(file.fileno(), 2)
        _listen("^loop-vectorize$")
        try:
            yield remarks
        finally:
            _listen("^$")  # an empty pattern would keep the previous one
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            text = file.read()
    found = [Remark(Place(name, int(line)), words.strip()) for name, line, words in _LINE.findall(text)]
    remarks += dict.fromkeys(found)
    rest = "".join(line for line in text.splitlines(keepends=True) if not _OURS.search(line))
    if rest.strip():
        print_text(rest.rstrip("\n"), err=True)


def _listen(pattern: str) -> None:
    for kind in _KINDS:
        llvm.set_option("workbench", f"--{kind}={pattern}")
