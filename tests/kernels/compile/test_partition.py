"""The units of work: every item is in one of them, and they are neither many nor small."""

import pytest

from kernels.compile.partition import UNIT_BYTES, unit_count, unit_range


@pytest.mark.parametrize("items", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("item_bytes", [0, 1, 4, UNIT_BYTES // 64, UNIT_BYTES // 3, UNIT_BYTES, 5 * UNIT_BYTES])
def test_every_item_is_in_one_unit(items, item_bytes):
    count = unit_count(items, item_bytes)
    ranges = [unit_range(unit, items, item_bytes) for unit in range(count)]
    assert [item for first, end in ranges for item in range(first, end)] == list(range(items))
    assert all(first < end for first, end in ranges)
    assert all((end - first) * item_bytes > UNIT_BYTES // 2 for first, end in ranges[:-1])
