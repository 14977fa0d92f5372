"""Sentences on what Numba made parallel, what it fused, and what stayed serial."""

from collections.abc import Sequence
from typing import Any

from workbench.numba_internals.representation import ParforDiagnostics


def parallel_notes(results: Sequence[Any]) -> tuple[str, ...]:
    """Return how the compiled functions were made parallel; functions compiled serially are left out.

    Parameters
    ----------
    results : Numba's records of the compiled functions
    """
    notes: list[str] = []
    for result in results:
        diagnostics = (result.metadata or {}).get("parfor_diagnostics")
        if isinstance(diagnostics, ParforDiagnostics) and diagnostics.has_setup:
            notes += _notes(diagnostics, result.fndesc.qualname.rpartition(".")[2])
    return tuple(dict.fromkeys(notes))


def _notes(diagnostics: Any, function: str) -> list[str]:
    loops = diagnostics.get_parfors_simple(False)
    lines = {number: loc.line for number, (_, loc, _) in loops.items()}
    words = {number: _word(pattern, lines[number]) for number, (_, _, pattern) in loops.items()}
    fused = {root: _reached(diagnostics.fusion_info, root) for root in words}
    nested = {inner: outer for outer, inners in diagnostics.nested_fusion_info.items() for inner in inners}
    absorbed = {number for others in fused.values() for number in others}
    notes = []
    for number in sorted(words, key=lambda each: (lines[each], each)):
        if number in nested:
            outer = words.get(nested[number], "the loop around it")
            notes.append(f"{function}: {words[number]} stays serial, inside {outer}")
        elif number not in absorbed:
            others = " and ".join(words[each] for each in sorted(fused[number]) if each in words)
            notes.append(f"{function}: {words[number]} is parallel" + (f", fused with {others}" if others else ""))
    return notes


def _word(pattern: Any, line: int) -> str:
    what = "the prange" if pattern == "user defined prange" else "the array expression"
    return f"{what} on line {line}"


def _reached(fusion: Any, root: int) -> list[int]:
    """Return the loops fused into one, directly or through others."""
    direct = list(fusion.get(root, ()))
    return direct + [number for each in direct for number in _reached(fusion, each)]
