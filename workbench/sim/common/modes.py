"""What is done to a kernel and to the device functions that it calls."""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """Indices are always checked."""

    PLAIN = "accesses are not noted"
    WATCHED = "accesses are noted"
    FOLLOWED = "accesses are noted, undefined values of shuffles are followed"
