"""The text of --augment, and a training with it."""

import pytest

from kernels.augment.strengths import Strengths
from workbench.network.augmentation import check_size, strengths_of
from workbench.system.errors import InputError


def test_strengths_are_read():
    assert strengths_of("shift=2, rotate=7.5,flip") == Strengths(shift=2, rotate=7.5, flip=0.5)
    assert strengths_of("flip=1,elastic=0.5,scale=0.2") == Strengths(flip=1, elastic=0.5, scale=0.2)
    assert strengths_of("default") == Strengths(shift=2, rotate=10, scale=0.1, elastic=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotat=3", "did you mean rotate"),
        ("", "unknown --augment"),
        ("shift", "write shift=NUMBER"),
        ("shift=two", "shift=two: not a number"),
        ("shift=nan", "from 0 to 1024"),
        ("scale=1", "scale=1: must be from 0 to 0.9"),
        ("rotate=-1", "from 0 to 180"),
        ("shift=1,shift=2", "shift is given twice"),
    ],
)
def test_wrong_strengths_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        strengths_of(text)


def test_images_whose_places_float32_cannot_tell_apart_are_refused():
    check_size((3, 4096, 4096))
    with pytest.raises(InputError, match="4097x4096"):
        check_size((1, 4097, 4096))
