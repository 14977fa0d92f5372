"""``workbench filter``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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


ARTICLE_FILTER = "1 0 1; 0 1 0; 1 0 1"
"""The filter of the article's animation."""


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
    "workbench filter photo.jpg --table -o table.png;  workbench filter tiny.png --steps -o steps.gif",
)
@click.argument("image", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filter_text",
    metavar="NAME|MATRIX",
    help="identity, edge-detect, edge-detect-cross, edge-detect-corners, sharpen, box-blur, gaussian-blur, emboss, "
    'sobel-x, sobel-y, laplacian, or rows separated by ";" of numbers separated by blanks: integers, decimals, or '
    "fractions such as 1/9.",
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
    "-o",
    "--out",
    metavar="OUT.png",
    type=click.Path(path_type=Path),
    help="Write the result as a PNG picture; with --steps as a GIF animation.",
)
@click.option(
    "--steps",
    is_flag=True,
    help="Show each position of the filter on a small picture in grey: the window, the products, their sum.",
)
@click.option("--table", is_flag=True, help="Draw the table of all named filters and their effect; needs -o.")
def filter_image(
    image: Path,
    filter_text: str | None,
    stride: tuple[int, int] | None,
    padding: tuple[int, int] | str | None,
    out: Path | None,
    steps: bool,
    table: bool,
) -> None:
    """Slide a filter over a picture with the real conv2d, over each colour by itself.

    IMAGE is a PNG, JPEG, GIF, WebP, TIFF or BMP file, grey or RGB, as numbers 0..255: 16 bits are reduced to 8, a palette
    is looked up, transparency is laid on white, of an animation the first frame is taken. With -o the result is
    rounded, clipped to 0..255 and written as a picture. Without, a picture of at most 32 x 32 pixels is printed as its
    matrix of numbers, before and after; after is neither rounded nor clipped.

    --table draws the table of "An Intuitive Explanation of Convolutional Neural Networks" (U. Karn), and the other named
    filters: each matrix next to its effect on the picture.

    --steps follows the filter over a picture of at most 12 x 12 pixels, padding included, in grey: the article's own filter
    "1 0 1; 0 1 0; 1 0 1" unless --filter names another. With -o OUT.gif it writes the article's animation; without, it
    prints step by step and waits for a key after each, on a terminal.
    """
    if table and steps:
        raise click.UsageError("--table draws all filters and --steps follows one; leave out one of the two")
    if table:
        for option, value in (("--filter", filter_text), ("--stride", stride), ("--padding", padding)):
            if value is not None:
                raise click.UsageError(f"--table draws all filters, each at stride 1; leave out {option}, or --table")
        if out is None:
            raise click.UsageError("--table needs a file to draw into; give -o OUT.png")
        _write_table(image, _named(out, ".png"))
        return
    if steps:
        out = None if out is None else _named(out, ".gif")
        _follow(image, _read_filter(filter_text or ARTICLE_FILTER), stride or (1, 1), padding, out)
        return
    if filter_text is None:
        raise click.UsageError("no filter; give --filter NAME, such as sharpen, or --table -o OUT.png for all of them")
    _filter(image, _read_filter(filter_text), stride or (1, 1), padding, None if out is None else _named(out, ".png"))


def _named(path: Path, suffix: str) -> Path:
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a file in it, such as {path / f'filtered{suffix}'}")
    if path.suffix.lower() != suffix:
        kind = "pictures are written as PNG" if suffix == ".png" else "the steps are written as an animated GIF"
        raise InputError(f"{path}: {kind}; give -o a name that ends in {suffix}")
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


def _follow(
    path: Path, kernel: Filter, stride: tuple[int, int], padding: tuple[int, int] | str | None, out: Path | None
) -> None:
    from workbench.cli.filter_steps import print_steps
    from workbench.pictures.filters import default_padding
    from workbench.pictures.images import read_image
    from workbench.pictures.steps import convolve
    from workbench.pictures.steps_picture import write_steps
    from workbench.system import render
    from workbench.system.progress import compile_notices

    image = read_image(path, 1)
    padding = default_padding(kernel, stride) if padding is None else padding
    with compile_notices(render.message_console()):
        convolution = convolve(str(path), image, kernel, stride, padding)
    if out is None:
        print_steps(convolution)
        return
    width, height = write_steps(convolution, out)
    options = f"stride {_show(stride)}, padding {_show(padding)}"
    print_line(f"wrote {out}: {width} wide, {height} high, {len(convolution.steps)} steps; {kernel.name}, {options}")


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
    from workbench.pictures.matrices import block, planes_text

    factor, rows = kernel.rows()
    blocks = [
        *planes_text("image", image),
        block(f"filter {one_line(kernel.name)}", rows, f"{factor} x " if factor else ""),
        *planes_text("feature map", feature_map),
    ]
    print_text("\n\n".join(blocks))
