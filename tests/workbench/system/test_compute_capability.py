"""Compute capabilities as the user writes them."""

import pytest

from workbench.system.compute_capability import parse_cc
from workbench.system.errors import InputError


@pytest.mark.parametrize(
    ("text", "cc"), [("90", (9, 0)), ("9.0", (9, 0)), ("sm_80", (8, 0)), (" 100 ", (10, 0)), ("10.0", (10, 0))]
)
def test_what_is_read(text, cc):
    assert parse_cc(text) == cc


@pytest.mark.parametrize("text", ["", "9", "0", "-90", "9x0", "٩٠", "1" * 4400, "sm_", "..", "nan"])
def test_what_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="unknown compute capability; must be one of") as caught:
        parse_cc(text)
    assert len(str(caught.value)) < 300
