"""How a kernel and the device functions that it calls are instrumented."""

from enum import Enum


class Mode(Enum):
    """Instrumentation modes. Indices are checked in all of them."""

    PLAIN = "accesses are not noted"
    WATCHED = "accesses are noted"
    FOLLOWED = "accesses are noted, undefined values of shuffles are followed"
    COUNTED = "accesses and basic blocks are noted"
    TRACED = "accesses are noted, undefined values of shuffles and of memory that nothing has written are followed"
