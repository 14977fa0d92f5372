"""``workbench filter``: the article's filters, matrices of one's own, printed, written, and drawn as a table."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from workbench.cli import run
from workbench.pictures.filters import FILTERS, apply_filter, parse_matrix
from workbench.pictures.images import read_image, write_png
from workbench.pictures.table import draw_table

# Written out once more, as they stand in the article.
ARTICLE = {
    "identity": (1, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "edge-detect-corners": (1, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
    "edge-detect-cross": (1, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "edge-detect": (1, [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "sharpen": (1, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "box-blur": (9, [[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
    "gaussian-blur": (16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]]),
}
OTHERS = {
    "emboss": (1, [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "sobel-x": (1, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "sobel-y": (1, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "laplacian": (4, [[1, 2, 1], [2, -12, 2], [1, 2, 1]]),
}
ALL = ARTICLE | OTHERS
ARTICLE_IMAGE = np.array(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], dtype=np.uint8
)[np.newaxis]
ARTICLE_FILTER = "1 0 1; 0 1 0; 1 0 1"

GREY = np.random.default_rng(0).integers(0, 256, (1, 40, 50), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (3, 40, 50), dtype=np.uint8)


@pytest.fixture
def png(tmp_path):
    """Write an image to a file; return its path as text."""

    def write(image, name="in.png"):
        write_png(image, tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def refusal(capsys):
    """Run a command that must fail with exit code 2 and one line; return the line."""

    def refuse(*arguments):
        assert run(["filter", *arguments]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        return printed.err

    return refuse


def naive(image, matrix, divisor=1, stride=(1, 1), padding=(1, 1)):
    """The sums of products, in whole numbers, then divided."""
    (pad_h, pad_w), (step_h, step_w) = padding, stride
    padded = np.pad(image.astype(np.int64), ((0, 0), (pad_h, pad_h), (pad_w, pad_w)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, np.shape(matrix), axis=(1, 2))
    return (windows[:, ::step_h, ::step_w] * np.array(matrix)).sum(axis=(3, 4)) / divisor


def as_pixels(values):
    return np.rint(values).clip(0, 255).astype(np.uint8)


def blocks(text):
    """What was printed: the rows of cells under each title."""
    parts = (block.splitlines() for block in text.strip("\n").split("\n\n"))
    return {title: [row.split() for row in rows] for title, *rows in parts}


def test_filters_are_those_of_the_article_and_four_more():
    known = {name: (each.divisor, [list(row) for row in each.matrix]) for name, each in FILTERS.items()}
    assert list(known.items()) == list(ALL.items())
    assert all(each.name == name and each.description for name, each in FILTERS.items())


@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "RGB"])
@pytest.mark.parametrize("name", ALL)
def test_named_filter_writes_what_a_direct_computation_gives(tmp_path, png, capsys, name, image):
    out = tmp_path / "out.png"
    assert run(["filter", png(image), "--filter", name, "-o", str(out)]) == 0
    divisor, matrix = ALL[name]
    values = naive(image, matrix, divisor)
    np.testing.assert_array_equal(read_image(out), as_pixels(values))
    kind = "grey" if len(image) == 1 else "RGB"
    printed = capsys.readouterr()
    assert printed.out == f"wrote {out}: 50 wide, 40 high, {kind}; {name}, stride 1, padding same\n"
    clipped = np.count_nonzero((np.rint(values) < 0) | (np.rint(values) > 255))
    said = f"{clipped:,} of {values.size:,} values were clipped to 0..255; they ran from "
    notes = [line for line in printed.err.splitlines() if "compil" not in line]  # the first call may compile the kernel
    assert notes == ([f"{said}{values.min():.6g} to {values.max():.6g}"] if clipped else [])


@pytest.mark.parametrize(
    ("options", "stride", "padding", "said"),
    [
        ([], (1, 1), (1, 1), "stride 1, padding same"),
        (["--padding", "same"], (1, 1), (1, 1), "stride 1, padding same"),
        (["--padding", "valid"], (1, 1), (0, 0), "stride 1, padding valid"),
        (["--padding", "0"], (1, 1), (0, 0), "stride 1, padding 0"),
        (["--stride", "2"], (2, 2), (1, 1), "stride 2, padding 1"),
        (["--stride", "2x3", "--padding", "2x0"], (2, 3), (2, 0), "stride 2x3, padding 2x0"),
    ],
)
def test_stride_and_padding(tmp_path, png, capsys, options, stride, padding, said):
    out = tmp_path / "out.png"
    assert run(["filter", png(COLOUR), "--filter", "sharpen", *options, "-o", str(out)]) == 0
    values = naive(COLOUR, ARTICLE["sharpen"][1], stride=stride, padding=padding)
    np.testing.assert_array_equal(read_image(out), as_pixels(values))
    _, height, width = values.shape
    assert capsys.readouterr().out == f"wrote {out}: {width} wide, {height} high, RGB; sharpen, {said}\n"


def test_default_padding_keeps_the_size_for_any_filter():
    for text in ("1 2", "1; 2; 3; 4", "1 0 0 0 0 1"):
        assert apply_filter(GREY, parse_matrix(text)).shape == GREY.shape


@pytest.mark.parametrize(
    ("name", "mode", "kind"),
    [
        ("a.jpg", "RGB", "RGB"),
        ("a.png", "P", "RGB"),
        ("a.png", "1", "grey"),
        ("a.png", "I;16", "grey"),
        ("a.png", "LA", "grey"),
        ("a.png", "RGBA", "RGB"),
        ("a.jpg", "CMYK", "RGB"),
        ("a.gif", "P", "RGB"),
        ("a.webp", "RGB", "RGB"),
        ("a.tif", "I;16", "grey"),
    ],
)
def test_kinds_of_pictures(tmp_path, capsys, name, mode, kind):
    Image.new("L", (40, 40), 170).convert(mode).save(tmp_path / name)
    out = tmp_path / "out.png"
    assert run(["filter", str(tmp_path / name), "--filter", "identity", "-o", str(out)]) == 0
    np.testing.assert_array_equal(read_image(out), read_image(tmp_path / name))
    assert f"40 wide, 40 high, {kind}" in capsys.readouterr().out


def test_article_example_is_printed(png, capsys):
    assert run(["filter", png(ARTICLE_IMAGE), "--filter", ARTICLE_FILTER, "--padding", "0"]) == 0
    assert (
        capsys.readouterr().out
        == """\
image 5x5
  1 1 1 0 0
  0 1 1 1 0
  0 0 1 1 1
  0 0 1 1 0
  0 1 1 0 0

filter 3x3 matrix
  1 0 1
  0 1 0
  1 0 1

feature map 3x3
  4 3 4
  2 4 3
  2 3 4
"""
    )


def test_printed_numbers_are_aligned_and_not_clipped(png, capsys):
    image = np.array([[[0, 9, 255], [3, 3, 255]]], dtype=np.uint8)
    assert run(["filter", png(image), "--filter", "0 -1; 1/3 -10/3; 0 0", "--padding", "1x0"]) == 0
    assert (
        capsys.readouterr().out
        == """\
image 2x3
    0   9 255
    3   3 255

filter 3x2 matrix
          0  -3
  1/3 x   1 -10
          0   0

feature map 2x2
    -30  -847
    -18 -1104
"""
    )
    assert run(["filter", png(image), "--filter", "box-blur"]) == 0
    assert blocks(capsys.readouterr().out)["feature map 2x3"] == [["1.67", "58.33", "58"], ["1.67", "58.33", "58"]]
    assert run(["filter", png(ARTICLE_IMAGE), "--filter", "0.001", "--padding", "0"]) == 0
    assert blocks(capsys.readouterr().out)["feature map 5x5"][0] == ["0.001", "0.001", "0.001", "0", "0"]


def test_colours_are_printed_one_by_one(png, capsys):
    image = COLOUR[:, :4, :5]
    assert run(["filter", png(image), "--filter", "edge-detect"]) == 0
    printed = blocks(capsys.readouterr().out)
    values = naive(image, ARTICLE["edge-detect"][1]).astype(int)
    for index, colour in enumerate(("red", "green", "blue")):
        assert np.array_equal(np.array(printed[f"image 4x5, {colour}"], dtype=int), image[index])
        assert np.array_equal(np.array(printed[f"feature map 4x5, {colour}"], dtype=int), values[index])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", [[2]]),
        ("-1 -1 -1; -1 8 -1; -1 -1 -1", ARTICLE["edge-detect"][1]),
        ("1,2,3;4, 5 ,6", [[1, 2, 3], [4, 5, 6]]),
        ("1/9 -2/3; 1 / 2 .5", [[Fraction(1, 9), Fraction(-2, 3)], [Fraction(1, 2), Fraction(1, 2)]]),
        ("1e-3 0.25 +4. 0e999999999", [[Fraction(1, 1000), Fraction(1, 4), 4, 0]]),
    ],
)
def test_matrix_is_read_exactly(text, expected):
    kernel = parse_matrix(text)
    assert [[Fraction(number, kernel.divisor) for number in row] for row in kernel.matrix] == expected
    np.testing.assert_array_equal(kernel.weights, np.array(expected, dtype=np.float32))


def test_matrix_that_begins_with_a_minus_is_a_value_not_an_option(png, capsys):
    assert run(["filter", png(ARTICLE_IMAGE), "--filter", "-1 1", "--padding", "0"]) == 0
    assert blocks(capsys.readouterr().out)["feature map 5x4"][0] == ["0", "0", "-1", "0"]


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        (" ", "the filter is empty; separate rows"),
        (" ; ", "row 1 is empty; separate rows"),
        ("1 2;", "row 2 is empty; separate rows"),
        ("1 2; 3", "row 2 has 1 numbers, row 1 has 2; all rows must have the same length"),
        ("1 x", "'x' is not a number; separate rows"),
        ("1//2", "'1//2' is not a number; separate rows"),
        ("1\n½ x", "'½' is not a number; separate rows"),
        ("1 nan", "'nan' is not a finite number; separate rows"),
        ("-inf 1", "'-inf' is not a finite number; separate rows"),
        ("1e99999999999", "is not a finite number; separate rows"),
        ("1 1/0", "'1/0' divides by zero; separate rows"),
        ("1e39", "'1e39' is too large for float32; separate rows"),
        ("3e38 3e38", "the sums overflow float32; use smaller numbers"),
        ("sharpn", "unknown filter 'sharpn'; did you mean sharpen?"),
        ("Edge Detect", "did you mean edge-detect?"),
        ("quux", "must be one of identity, edge-detect-corners"),
    ],
)
def test_filter_refused(png, refusal, text, needle):
    assert needle in refusal(png(ARTICLE_IMAGE), "--filter", text)


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--stride", "0"], "'0' is not a stride; give a number from 1"),
        (["--stride", "-1"], "'-1' is not a stride"),
        (["--stride", "2x"], "'2x' is not a stride"),
        (["--stride", "1x2x3"], "'1x2x3' is not a stride"),
        (["--stride", "99999999999999999999"], "is not a stride"),
        (["--padding", "-1"], "'-1' is not a padding; give a number from 0"),
        (["--padding", "full"], "'full' is not a padding"),
        (["--padding", "same", "--stride", "2"], 'padding="same" needs stride 1'),
        (["--padding", "0", "--filter", "1 1 1 1 1 1"], "smaller than the window of 6"),
        (["--padding", "20"], "the feature map is 43 wide and 43 high, too large to print; give -o OUT.png"),
        (["--table"], "--table needs a file to draw into; give -o OUT.png"),
        (["--table", "-o", "out.png"], "leave out --filter"),
        (["-o", "out.jpg"], "out.jpg: pictures are written as PNG; give -o a name that ends in .png"),
        (["-o", "out"], "out: pictures are written as PNG"),
    ],
)
def test_option_refused(png, refusal, options, needle):
    named = [] if options == ["--table"] else ["--filter", "sharpen"]
    assert needle in refusal(png(ARTICLE_IMAGE), *named, *options)


def test_table_takes_no_stride_or_padding(png, refusal):
    for option in ("--stride", "--padding"):
        assert f"leave out {option}" in refusal(png(GREY), "--table", "-o", "out.png", option, "1")


def test_filter_is_needed(png, refusal):
    assert "no filter; give --filter NAME" in refusal(png(ARTICLE_IMAGE))


def test_large_picture_needs_a_file(png, refusal):
    path = png(GREY)
    line = refusal(path, "--filter", "sharpen")
    assert f"{path}: the picture is 50 wide and 40 high, too large to print; give -o OUT.png" in line


def test_picture_of_the_largest_printable_size(png, capsys):
    assert run(["filter", png(GREY[:, :32, :32]), "--filter", "identity"]) == 0
    assert len(blocks(capsys.readouterr().out)["feature map 32x32"]) == 32


@pytest.mark.parametrize("mode", [["--filter", "sharpen"], ["--table"]], ids=["filter", "table"])
def test_files_refused(tmp_path, png, refusal, mode):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / png(GREY)).read_bytes()[:200])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    out = str(tmp_path / "out.png")
    for name, needle in [
        ("none.png", "cannot be read"),
        ("folder.png", "cannot be read"),
        ("text.png", "not a picture"),
        ("cut.png", "a truncated or broken picture"),
        ("empty.png", "an empty file"),
    ]:
        assert f"{name}: {needle}" in refusal(str(tmp_path / name), *mode, "-o", out)
    for target, needle in [("folder.png", "a folder; name a file in it"), ("none/out.png", "cannot be written")]:
        assert f"{target}: {needle}" in refusal(png(GREY), *mode, "-o", str(tmp_path / target))
    assert "none/out.png: cannot be written" in refusal(  # before anything is read or computed
        str(tmp_path / "none.png"), *mode, "-o", str(tmp_path / "none/out.png")
    )
    assert not (tmp_path / "out.png").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((3, 300, 451), "RGB"), ((1, 64, 64), "grey"), ((3, 400, 40), "portrait"), ((1, 12, 600), "panorama")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_table(tmp_path, png, capsys, shape, kind):
    image = np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)
    out = tmp_path / "table.png"
    path = png(image)
    assert run(["filter", path, "--table", "-o", str(out)]) == 0
    with Image.open(out) as table:
        assert (table.format, table.mode) == ("PNG", "RGB")
        assert 1000 <= table.width <= 1400
        assert table.height <= 2400
        width, height = table.size
    assert capsys.readouterr().out == f"wrote {out}: {width} wide, {height} high, RGB; 11 filters on {path}\n"


def places(table, effect, magnification):
    """Where (top, left) a magnified effect stands in a table."""
    pattern = effect.repeat(magnification, 0).repeat(magnification, 1)
    shape = tuple(np.subtract(table.shape[:2], pattern.shape) + 1)
    match = np.ones(shape, dtype=bool)
    for i, j in zip(range(0, pattern.shape[0], magnification), range(0, pattern.shape[1], magnification), strict=False):
        match &= table[i : i + shape[0], j : j + shape[1], 0] == pattern[i, j]
    height, width = pattern.shape
    return [
        (top, left)
        for top, left in np.argwhere(match).tolist()
        if (table[top : top + height, left : left + width] == pattern[..., np.newaxis]).all()
    ]


def test_table_shows_the_effect_of_every_filter():
    image = np.random.default_rng(3).integers(
        0, 256, (1, 22, 32), dtype=np.uint8
    )  # so small that it is not scaled down
    table = np.asarray(draw_table(image))
    found = []
    for divisor, matrix in ALL.values():
        effect = as_pixels(naive(image, matrix, divisor, padding=(0, 0)))[0]
        [(top, left)] = places(table, effect, 11)  # 30 pixels, the width, go eleven times into the box
        found.append((left, top))
    assert found == sorted(found), "column by column, from the top"
    assert [left for left, _ in found] == [found[0][0]] * 6 + [found[6][0]] * 5


def test_table_of_a_picture_smaller_than_a_filter(tmp_path, png, refusal):
    line = refusal(png(GREY[:, :2, :2]), "--table", "-o", str(tmp_path / "out.png"))
    assert "smaller than the window of 3" in line


def test_help_names_every_filter(capsys):
    assert run(["filter", "--help"]) == 0
    text = capsys.readouterr().out.replace("\n", "").replace(" ", "")
    assert all(name in text for name in FILTERS)
    assert "Examples:workbenchfilter" in text
