"""Keep compiled kernels on disk for other processes, with the numbers that their machine code holds."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kernels.compile.cache_files import read_sealed, write_sealed
from kernels.compile.disk_cache import cache_folder
from workbench.sim.common import sites
from workbench.sim.common.facts import Facts
from workbench.sim.common.sites import Declaration, Site


@dataclass(frozen=True)
class Kept:
    """A compiled kernel on disk.

    Attributes
    ----------
    code : an object file
    needs : symbols that it refers to
    by_bytes : whether the kernel views arrays as smaller elements
    makes_arrays : whether it makes shared or local arrays
    """

    code: bytes
    needs: tuple[str, ...]
    by_bytes: bool
    makes_arrays: bool


def keep(key: str, code: bytes, needs: tuple[str, ...], found: list[Facts]) -> None:
    """Write a compiled kernel to disk, unless it uses what cannot be described there.

    Parameters
    ----------
    key : the kernel's fingerprint
    code : an object file
    needs : symbols that it refers to
    found : facts about the kernel and the functions that it calls
    """
    path = _path(key)
    declared = {number: sites.DECLARATIONS.values[number] for each in found for number in each.declarations}
    if path is None or any(each.dtype.names or each.dtype.subdtype for each in declared.values()):
        return
    header = {
        "needs": needs,
        "by_bytes": any(each.by_bytes for each in found),
        "makes_arrays": any(each.makes_arrays for each in found),
        "sites": {number: asdict(sites.SITES.values[number]) for each in found for number in each.sites},
        "names": {number: sites.NAMES.values[number] for each in found for number in each.names},
        "declarations": {
            number: {"name": each.name, "shape": each.shape, "dtype": each.dtype.str}
            for number, each in declared.items()
        },
    }
    head = json.dumps(header).encode()
    _forget_old(path.parent.parent)
    write_sealed(path, len(head).to_bytes(8, "little") + head + code)


def kept(key: str) -> Kept | None:
    """Return a compiled kernel from disk; None if there is none, or if a number of it is taken in this process."""
    path = _path(key)
    contents = path and read_sealed(path)
    if not path or not contents:
        return None
    with suppress(OSError):
        path.touch()
    end = 8 + int.from_bytes(contents[:8], "little")
    header = json.loads(contents[8:end])
    claims = [sites.SITES.claim(int(number), Site(**each)) for number, each in header["sites"].items()]
    claims += [sites.NAMES.claim(int(number), name) for number, name in header["names"].items()]
    claims += [
        sites.DECLARATIONS.claim(int(number), _declaration(each)) for number, each in header["declarations"].items()
    ]
    return (
        Kept(contents[end:], tuple(header["needs"]), header["by_bytes"], header["makes_arrays"])
        if all(claims)
        else None
    )


@cache
def _forget_old(folder: Path) -> None:
    """Remove, once in a process, the kernels that none has used for a month."""
    month_ago = time.time() - 30 * 86_400
    for file in folder.glob("*/*"):
        with suppress(OSError):  # another process may remove it too
            if file.stat().st_mtime < month_ago:
                file.unlink()


def _declaration(described: dict[str, Any]) -> Declaration:
    dtype = np.dtype(described["dtype"])
    return Declaration(name=described["name"], shape=tuple(described["shape"]), dtype=dtype)


def _path(key: str) -> Path | None:
    folder = cache_folder()
    return folder and folder / "simulated" / key[:2] / key
