"""``workbench filter``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.common import can_be_written, size_pair
from workbench.system.errors import InputError, nearest, shortened
from workbench.system.terminal import one_line, print_line, print_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.pictures.filters import Filter

PRINTABLE = 32
"""The largest height and width of a picture that is printed as numbers."""

EXACT = 2**24
"""Up to this number float32 represents every integer."""

CHANNEL_TITLES = {1: ("",), 3: (", red", ", green", ", blue")}


def stride_pair(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read N or HxW, at least 1."""
    if value is None:
        return None
    pair = size_pair(value)
    if pair is None or 0 in pair:
        raise click.BadParameter(
            f"{shortened(value)!r} is not a stride; give a number from 1 to 9999 or HEIGHTxWIDTH, such as 2x1"
        )
    return pair


def padding_pair(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | str | None:
    """Read N, HxW, same or valid."""
    if value is None or value in ("same", "valid"):
        return value
    pair = size_pair(value)
    if pair is None:
        raise click.BadParameter(
            f"{shortened(value)!r} is not a padding; give a number from 0 to 9999, HEIGHTxWIDTH such as 2x1, same or valid"
        )
    return pair


@click.command(
    "filter",
    epilog="Examples: workbench filter photo.jpg --filter sharpen -o sharp.png;  "
    'workbench filter tiny.png --filter "1 0 1; 0 1 0; 1 0 1" --padding 0;  '
    "workbench filter photo.jpg --table -o table.png",
)
@click.argument("image", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filter_text",
    metavar="NAME|MATRIX",
    help="identity, edge-detect, edge-detect-cross, edge-detect-corners, sharpen, box-blur, gaussian-blur, or rows "
    'separated by ";" of numbers separated by blanks: integers, decimals, or fractions such as 1/9.',
)
@click.option("--stride", callback=stride_pair, metavar="N|HxW", help="Step of the filter, at least 1; default 1.")
@click.option(
    "--padding",
    callback=padding_pair,
    metavar="N|HxW|same|valid",
    help="Zeros around the picture. Default: same, which keeps its size, at stride 1; half of the filter's size "
    "(rounded down) at others.",
)
@click.option(
    "-o", "--out", metavar="OUT.png", type=click.Path(path_type=Path), help="Write the result as a PNG picture."
)
@click.option("--table", is_flag=True, help="Draw the table of all named filters and their effect; needs -o.")
def filter_image(
    image: Path,
    filter_text: str | None,
    stride: tuple[int, int] | None,
    padding: tuple[int, int] | str | None,
    out: Path | None,
    table: bool,
) -> None:
    """Slide a filter over a picture with the real conv2d, over each colour by itself.

    IMAGE is a PNG or JPEG, grey or RGB, as numbers 0..255. With -o the result is rounded, clipped to 0..255 and written
    as a picture. Without, a picture of at most 32 x 32 pixels is printed as its matrix of numbers, before and after;
    after is neither rounded nor clipped.

    --table draws the table of "An Intuitive Explanation of Convolutional Neural Networks" (U. Karn): each filter's
    matrix next to its effect on the picture.
    """
    if table:
        for option, value in (("--filter", filter_text), ("--stride", stride), ("--padding", padding)):
            if value is not None:
                raise click.UsageError(f"--table draws all filters, each at stride 1; leave out {option}, or --table")
        if out is None:
            raise click.UsageError("--table needs a file to draw into; give -o OUT.png")
        _write_table(image, _png(out))
        return
    if filter_text is None:
        raise click.UsageError("no filter; give --filter NAME, such as sharpen, or --table -o OUT.png for all of them")
    _filter(image, _read_filter(filter_text), stride or (1, 1), padding, None if out is None else _png(out))


def _png(path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a file in it, such as {path / 'filtered.png'}")
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: pictures are written as PNG; give -o a name that ends in .png")
    if not can_be_written(path):
        raise InputError(f"{path}: cannot be written; name a file in a folder you can write to")
    return path


def _read_filter(text: str) -> Filter:
    from workbench.pictures.filters import FILTERS, parse_matrix

    name = text.strip()
    if name in FILTERS:
        return FILTERS[name]
    if re.fullmatch(r"[^\W\d][^\d;,/]*", name):  # words without a digit, as no matrix is
        raise nearest("filter", name, list(FILTERS))
    return parse_matrix(text)


def _filter(
    path: Path, kernel: Filter, stride: tuple[int, int], padding: tuple[int, int] | str | None, out: Path | None
) -> None:
    from workbench.pictures.filters import apply_filter, count_clipped, default_padding, to_pixels
    from workbench.pictures.images import read_image, write_png
    from workbench.system import render
    from workbench.system.progress import compile_notices

    image = read_image(path)
    if out is None:
        _require_printable(f"{path}: the picture", image.shape[1:])
    padding = default_padding(kernel, stride) if padding is None else padding
    with compile_notices(render.message_console()):
        feature_map = apply_filter(image, kernel, stride=stride, padding=padding)
    if out is None:
        _require_printable("the feature map", feature_map.shape[1:])
        _print(image, kernel, feature_map)
        return
    write_png(to_pixels(feature_map), out)
    clipped = count_clipped(feature_map)
    if clipped:
        print_line(
            f"{clipped:,} of {feature_map.size:,} values were clipped to 0..255; "
            f"they ran from {feature_map.min():.6g} to {feature_map.max():.6g}",
            err=True,
        )
    _, height, width = feature_map.shape
    options = f"stride {_show(stride)}, padding {_show(padding)}"
    print_line(f"wrote {out}: {width} wide, {height} high, {_colours(image)}; {kernel.name}, {options}")


def _write_table(path: Path, out: Path) -> None:
    from workbench.pictures.filters import FILTERS
    from workbench.pictures.images import read_image
    from workbench.pictures.table import draw_table
    from workbench.system import render
    from workbench.system.files import atomic_path
    from workbench.system.progress import compile_notices

    image = read_image(path)
    with compile_notices(render.message_console()):
        table = draw_table(image)
    with atomic_path(out) as temporary:
        table.save(temporary, format="PNG", optimize=True)
    print_line(f"wrote {out}: {table.width} wide, {table.height} high, RGB; {len(FILTERS)} filters on {path}")


def _show(value: tuple[int, int] | str) -> str:
    if isinstance(value, str):
        return value
    height, width = value
    return str(height) if height == width else f"{height}x{width}"


def _colours(image: NDArray[np.uint8]) -> str:
    return "grey" if len(image) == 1 else "RGB"


def _require_printable(what: str, size: Sequence[int]) -> None:
    height, width = size
    if max(height, width) > PRINTABLE:
        raise InputError(
            f"{what} is {width} wide and {height} high, too large to print; give -o OUT.png, or use a picture of at "
            f"most {PRINTABLE} x {PRINTABLE}"
        )


def _print(image: NDArray[np.uint8], kernel: Filter, feature_map: NDArray[np.float32]) -> None:
    factor, rows = kernel.rows()
    blocks = [
        *_planes("image", image),
        _block(f"filter {one_line(kernel.name)}", rows, f"{factor} x " if factor else ""),
        *_planes("feature map", feature_map),
    ]
    print_text("\n\n".join(blocks))


def _planes(title: str, planes: NDArray[Any]) -> list[str]:
    _, height, width = planes.shape
    return [
        _block(f"{title} {height}x{width}{name}", _aligned(plane))
        for name, plane in zip(CHANNEL_TITLES[len(planes)], planes, strict=True)
    ]


def _block(title: str, rows: list[list[str]], factor: str = "") -> str:
    """Return a matrix as text under its title, with the factor before its middle row."""
    width = max(len(cell) for row in rows for cell in row)
    lines = [" ".join(f"{cell:>{width}}" for cell in row).rstrip() for row in rows]
    middle = (len(rows) - 1) // 2
    before = [factor if number == middle else " " * len(factor) for number in range(len(rows))]
    return "\n".join([title, *(f"  {left}{line}" for left, line in zip(before, lines, strict=True))])


def _aligned(plane: NDArray[Any]) -> list[list[str]]:
    """Return numbers as text with at least three digits, integers without decimals, aligned at the decimal point."""
    largest = float(abs(plane).max())
    if largest > EXACT:
        return [[f"{value:.6g}" for value in row] for row in plane.tolist()]
    decimals = 2 if largest >= 1 or largest == 0 else 2 - math.floor(math.log10(largest))
    cells = [[_without_zeros(f"{value:.{decimals}f}") for value in row] for row in plane.tolist()]
    tail = max(_tail(cell) for row in cells for cell in row)
    return [[cell + " " * (tail - _tail(cell)) for cell in row] for row in cells]


def _without_zeros(number: str) -> str:
    short = number.rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _tail(number: str) -> int:
    """Count the characters from the decimal point on."""
    return len(number) - len(number.partition(".")[0])
