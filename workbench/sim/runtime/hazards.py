"""Record hazards, for Python to describe."""

from __future__ import annotations

from workbench.sim.runtime import layout as at
from workbench.sim.runtime.entry_points import runtime
from workbench.sim.runtime.words import get, put


@runtime
def note(
    state: int,
    kind: int,
    access: int,
    other: int,
    other_site: int,
    other_access: int,
    region: int,
    address: int,
    size: int,
    extra: int,
) -> int:
    """Record a hazard of the running thread, once per pair of lines; return its record, or 0 if not recorded.

    Parameters
    ----------
    state : state of the launch
    kind : kind of hazard
    access, other_access : kinds of access of this thread and of the other
    other : the other thread, -1 for none
    other_site : the other thread's place
    region, address, size : the memory; 0 for none
    extra : further data of the kind
    """
    site, count, records = get(state, at.SITE), get(state, at.HAZARD_COUNT), get(state, at.HAZARDS)
    tolerated = get(state, at.TOLERATED)
    for number in range(count):
        each = records + 8 * at.HAZARD_WORDS * number
        if get(each, at.H_KIND) == kind and get(each, at.H_TOLERATED) == tolerated:
            first, second = get(each, at.H_SITE), get(each, at.H_OTHER_SITE)
            if (first == site and second == other_site) or (first == other_site and second == site):
                return 0
    if count == at.MAX_HAZARDS:
        if tolerated == 0:
            put(state, at.STOPPED, 1)
        return 0
    record = records + 8 * at.HAZARD_WORDS * count
    put(record, at.H_KIND, kind)
    put(record, at.H_THREAD, get(state, at.CURRENT))
    put(record, at.H_SITE, site)
    put(record, at.H_ACCESS, access)
    put(record, at.H_OTHER, other)
    put(record, at.H_OTHER_SITE, other_site)
    put(record, at.H_OTHER_ACCESS, other_access)
    put(record, at.H_REGION, region)
    put(record, at.H_ADDRESS, address)
    put(record, at.H_BYTES, size)
    put(record, at.H_EXTRA, extra)
    put(record, at.H_TOLERATED, tolerated)
    if region != 0:
        put(record, at.H_MEMORY, get(region, at.R_KIND))
        put(record, at.H_ID, get(region, at.R_ID))
        put(record, at.H_BASE, get(region, at.R_BASE))
    put(state, at.HAZARD_COUNT, count + 1)
    return record
