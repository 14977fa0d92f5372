"""Reports of earlier runs, as ``bench --compare`` reads them."""

import copy
import json
import math
import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.damaged import damage
from workbench.benching import comparing
from workbench.system.errors import InputError

ROW = {
    **{"op": "relu", "case": "relu-1m", "device": "cpu", "dtype": "float32", "implementation": "relu_cpu"},
    **{"median_ms": 1.0, "ci_low_ms": 0.999, "ci_high_ms": 1.001, "bound_by": "memory", "verified": True},
}
REPORT = {
    "schema": 1,
    "machine": {"cpu": "a", "cores": 2, "target": "b", "threads": 2, "gpu": None},
    "peaks": {"cpu": {"gflops": {"float32": 100.0}, "gbps": {"L1": 400.0, "DRAM": 20.0}, "launch_ms": 2e-4}},
    "rows": [
        ROW,
        ROW | {"case": "relu-4k", "bound_by": "launch"},
        ROW | {"case": "relu-128k", "bound_by": "compute", "ci_low_ms": None, "ci_high_ms": None},
    ],
    "controls": [{"op": "relu", "case": "relu-1m", "dtype": "float32", "noise": 0.01}],
}


@pytest.fixture
def old(tmp_path):
    return tmp_path / "old.json"


def refusal(path):
    with pytest.raises(InputError) as caught:
        comparing.read_old(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"{path}: " in message
    return message


def test_a_report_is_compared_with_itself(old):
    old.write_text(json.dumps(REPORT))
    found = comparing.compare(comparing.read_old(old), REPORT)
    assert [each.verdict for each in found] == ["same", "same", "unsure"]
    assert [each.ratio for each in found] == [1, 1, 1]


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (["schema"], 2, "$.schema"),
        (["machine"], [], "$.machine"),
        (["peaks", "cpu"], 1, "$.peaks[...]"),
        (["peaks", "cpu", "gbps", "L1"], 0, "$.peaks[...].gbps[...]"),
        (["peaks", "cpu", "gbps", "L1"], -1.0, "$.peaks[...].gbps[...]"),
        (["peaks", "cpu", "launch_ms"], "1", "$.peaks[...].launch_ms"),
        (["rows"], {}, "$.rows"),
        (["rows", 1], [], "$.rows[1]"),
        (["rows", 0, "median_ms"], 0, "$.rows[0].median_ms"),
        (["rows", 0, "median_ms"], -1.0, "$.rows[0].median_ms"),
        (["rows", 0, "median_ms"], 1e300, "$.rows[0].median_ms"),
        (["rows", 0, "median_ms"], [1.0], "$.rows[0].median_ms"),
        (["rows", 2, "ci_low_ms"], "low", "$.rows[2].ci_low_ms"),
        (["rows", 0, "op"], [], "$.rows[0].op"),
        (["controls", 0, "noise"], -0.5, "$.controls[0].noise"),
        (["controls"], 3, "$.controls"),
    ],
)
def test_a_report_that_does_not_match_names_the_place(old, path, value, place):
    report = copy.deepcopy(REPORT)
    *parents, last = path
    where = report
    for key in parents:
        where = where[key]
    where[last] = value
    old.write_text(json.dumps(report))
    assert f"is not a report: at {place}: " in refusal(old)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(REPORT).replace("1.0", "NaN"),
        json.dumps(REPORT).replace("1.0", "Infinity"),
        json.dumps(REPORT).replace("1.0", "1e999"),
        json.dumps(REPORT).replace("1.0", "9" * 5000),
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        "",
    ],
)
def test_no_document_of_numbers_is_no_report(old, text):
    old.write_text(text)
    assert "is not a report" in refusal(old)


def test_special_files_are_no_reports(old, tmp_path):
    os.mkfifo(old)
    assert "a pipe, not a file" in refusal(old)
    assert "directory" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "nowhere")


@given(st.data())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_can_be_compared(old, data):
    """Whatever is changed in a report, it is refused, or its comparison is a document without NaN and infinity."""
    report = copy.deepcopy(REPORT)
    damage(data.draw, report)
    old.write_text(json.dumps(report))
    with suppress(InputError):
        read = comparing.read_old(old)
        for each in comparing.compare(read, REPORT):
            assert math.isfinite(each.ratio)
            json.dumps(each.to_json(), allow_nan=False)
