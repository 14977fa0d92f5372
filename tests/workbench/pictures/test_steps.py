"""``workbench filter --steps``: every number of a convolution, printed and as an animation."""

import re

import click
import numpy as np
import pytest
from PIL import Image

from kernels import rounding
from workbench.cli import run
from workbench.pictures.filters import FILTERS, parse_matrix
from workbench.pictures.images import write_png
from workbench.pictures.steps import convolve
from workbench.pictures.steps_picture import WINDOW, draw_steps
from workbench.pictures.steps_text import step_text

ARTICLE = np.array(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], dtype=np.uint8
)
ARTICLE_FILTER = parse_matrix("1 0 1; 0 1 0; 1 0 1")
RANDOM = np.random.default_rng(5).integers(0, 256, (1, 7, 9), dtype=np.uint8)


@pytest.fixture
def five(tmp_path):
    write_png(ARTICLE[np.newaxis], tmp_path / "five.png")
    return str(tmp_path / "five.png")


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        (FILTERS["box-blur"], (1, 1), "same"),
        (FILTERS["sobel-x"], (2, 3), (1, 0)),
        (parse_matrix("0.123 -4.5; 1e-4 2; 7 1/3"), (1, 2), "valid"),
        (parse_matrix("1 2 3 4"), (1, 1), "same"),
    ],
    ids=["blur", "stride", "decimals", "even"],
)
def test_the_products_of_a_step_sum_to_what_conv2d_gives(kernel, stride, padding):
    found = convolve("a", RANDOM, kernel, stride, padding)
    np.testing.assert_array_equal(found.padded[found.picture], RANDOM[0])
    assert found.padded.sum() == RANDOM.sum()
    for step in found.steps:
        products = found.products(step) / found.divisor
        bound = rounding.gamma(products.size + 2, 2**-24) * np.abs(products).sum()
        assert abs(float(found.feature_map[step]) - products.sum()) <= bound
    text = found.sum_text(found.steps[-1])
    terms, result = text.split(" = ")
    assert eval(terms) == pytest.approx(float(result), abs=0.05)  # the terms and the result are rounded
    assert result == found.values[-1][-1].strip()


def test_the_articles_steps_are_printed(five, capsys):
    assert run(["filter", five, "--steps", "--padding", "0"]) == 0
    steps = capsys.readouterr().out.split("step ")[1:]
    assert len(steps) == 9
    assert (
        steps[4].rstrip()
        == """\
5 of 9: row 2, column 2 of the feature map

picture 5x5    filter 3x3 matrix   products   feature map 3x3
  1 1 1 0 0      1 0 1               1 0 1      4 3 4
  0[1 1 1]0      0 1 0               0 1 0      2[4].
  0[0 1 1]1      1 0 1               0 0 1      . . .
  0[0 1 1]0
  0 1 1 0 0

sum: 1 + 0 + 1 + 0 + 1 + 0 + 0 + 0 + 1 = 4"""
    )
    assert [int(step.rstrip()[-1]) for step in steps] == [4, 3, 4, 2, 4, 3, 2, 3, 4]


@pytest.mark.parametrize("width", [80, 60])
def test_nothing_moves_from_step_to_step_or_leaves_the_terminal(width):
    image = np.random.default_rng(1).integers(0, 256, (1, 10, 10), dtype=np.uint8)
    found = convolve("a", image, FILTERS["box-blur"], (3, 3), (1, 1))
    texts = [step_text(found, step, width) for step in found.steps]
    assert max(len(line) for text in texts for line in text.splitlines()) <= width
    titles = ("filter box-blur", "products", "feature map 4x4")
    places = {
        (title, number, line.index(title))
        for text in texts
        for number, line in enumerate(text.splitlines()[1:])
        for title in titles
        if title in line
    }
    assert len(places) == 3


@pytest.mark.parametrize(("keys", "shown"), [("\r q", 3), ("\r" * 8, 9), ("", 1)], ids=["q", "all", "end-of-input"])
def test_a_terminal_waits_for_a_key(five, capsys, monkeypatch, keys, shown):
    pressed = list(keys)

    def getchar():
        if not pressed:
            raise EOFError
        return pressed.pop(0)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "getchar", getchar)
    assert run(["filter", five, "--steps", "--padding", "0"]) == 0
    printed = capsys.readouterr()
    assert len(re.findall(r"^step \d of 9", printed.out, re.MULTILINE)) == shown
    assert not pressed


def test_the_animation_has_a_frame_for_each_step(five, tmp_path, capsys):
    out = tmp_path / "steps.gif"
    assert run(["filter", five, "--steps", "--padding", "0", "-o", str(out)]) == 0
    with Image.open(out) as animation:
        assert (animation.format, animation.n_frames, animation.info["loop"]) == ("GIF", 9, 0)
        times = []
        for number in range(9):
            animation.seek(number)
            times.append(animation.info["duration"])
        width, height = animation.size
    assert times == [3000, 3000, 3000, 1500, 1500, 1500, 1500, 1500, 5000]
    assert out.stat().st_size < 150_000
    said = f"wrote {out}: {width} wide, {height} high, 9 steps; 3x3 matrix, stride 1, padding 0\n"
    assert capsys.readouterr().out == said


def test_the_window_moves_over_the_picture_and_the_map_grows():
    found = convolve("a", ARTICLE[np.newaxis], ARTICLE_FILTER, (1, 1), (0, 0))
    frames = [np.asarray(frame) for frame in draw_steps(found)]
    assert len({frame.shape for frame in frames}) == 1
    boxes = []
    for frame in frames:
        rows, columns = np.nonzero((frame == WINDOW).all(axis=2))
        middle = (columns.min() + columns.max()) // 2
        boxes.append([(rows[side].min(), columns[side].min()) for side in (columns < middle, columns > middle)])
    moves = np.array(boxes) - boxes[0]
    for step, (window, value) in zip(found.steps, moves, strict=True):
        np.testing.assert_array_equal(window, np.multiply(step, 44))
        np.testing.assert_array_equal(value, np.multiply(step, 44))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "steps.png"], "steps.png: the steps are written as an animated GIF; give -o a name that ends in .gif"),
        (["--table", "-o", "a.png"], "leave out one of the two"),
        (
            ["--padding", "4"],
            "13 wide and 13 high with its padding, too large to follow every number; --steps takes at most",
        ),
        (["--filter", "1 1 1 1 1 1", "--padding", "0"], "smaller than the window of 6"),
    ],
)
def test_steps_refused(five, capsys, options, words):
    assert run(["filter", five, "--steps", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_a_picture_of_colours_is_followed_in_grey(tmp_path, capsys):
    Image.new("RGB", (2, 1), (200, 100, 50)).save(tmp_path / "a.png")
    assert run(["filter", str(tmp_path / "a.png"), "--steps", "--filter", "2"]) == 0
    assert "sum: 248 = 248" in capsys.readouterr().out


def test_a_negative_zero_is_zero():
    found = convolve("a", np.array([[[1, 0]]], dtype=np.uint8), parse_matrix("1e30 -3"), (1, 1), (0, 0))
    assert found.sum_text((0, 0)) == "1e+30 + 0 = 1e+30"
