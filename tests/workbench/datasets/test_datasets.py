"""The sources of data, the options of loading them, and the split into a training and a test part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workbench.datasets.loading import refusal
from workbench.datasets import to_unit
from workbench.datasets.split import stratified_split

# Arguments and sources


@pytest.mark.parametrize("images", [np.array([0, 51, 255], np.uint8), np.array([0, 0.2, 1], np.float32)])
def test_to_unit(images):
    unit = to_unit(images)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, np.array([0, 0.2, 1], np.float32))
    assert (unit is images) == (images.dtype == np.float32)


@pytest.mark.parametrize("source", ["", "no-such-thing", "no-such-thing.npz", "nul\0byte", "x" * 5000, "two\nlines"])
def test_no_such_source(source):
    message = refusal(source)
    assert "mnist" in message or "too long" in message
    assert repr(source) in message or source in message


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1,2,3\n")
    message = refusal(path)
    assert message.startswith(f"{path}: not a data set")
    assert "IDX" in message


@pytest.mark.parametrize(
    "options", [{"channels": 2}, {"channels": 0}, {"image_size": (0, 28)}, {"image_size": (28, -1)}]
)
def test_options_out_of_range(options):
    assert refusal("mnist", **options)


def test_more_than_memory_holds():
    message = refusal("mnist", image_size=(4000, 4000))
    assert message.startswith("mnist: ")
    assert "smaller image size" in message


# The split


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=60).map(lambda half: half * 2), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_split_is_stratified(labels, seed):
    labels = np.array(labels)
    train, test = stratified_split(labels, "abcd", "data", seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    for label in np.unique(labels):
        held, count = np.sum(labels[test] == label), np.sum(labels == label)
        assert held == max(1, round(count / 5))
    again = stratified_split(labels, "abcd", "data", seed)
    np.testing.assert_array_equal(again[0], train)


def test_split_depends_on_the_seed():
    labels = np.repeat([0, 1], 50)
    splits = {tuple(stratified_split(labels, "ab", "data", seed)[1]) for seed in range(5)}
    assert len(splits) == 5
