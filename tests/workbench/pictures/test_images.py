"""Reading and writing pictures, and turning a photographed digit into one of MNIST's."""

import os
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from workbench import datasets
from workbench.pictures.images import like_mnist, read_image, resize, to_channels, write_png
from workbench.system.errors import InputError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (3, 9, 7), dtype=np.uint8)
GREY = COLOUR[:1]


def picture(image):
    return Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, 2).copy())


def encode(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def refusal(function, *arguments, **options):
    """The message of the InputError that must come, which is a single line."""
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert message == message.strip()
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_png_round_trip(tmp_path, image):
    path = tmp_path / "a.png"
    write_png(image, path)
    np.testing.assert_array_equal(read_image(path), image)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_write_png_to_a_missing_folder(tmp_path):
    path = tmp_path / "none" / "a.png"
    assert str(path) in refusal(write_png, GREY, path)


@pytest.mark.parametrize(
    ("suffix", "kind", "options"),
    [
        (".bmp", "BMP", {}),
        (".gif", "GIF", {}),
        (".jpg", "JPEG", {"quality": 95}),
        (".webp", "WEBP", {"lossless": True}),
        (".dat", "PNG", {}),
    ],
)
def test_formats(tmp_path, suffix, kind, options):
    path = tmp_path / f"a{suffix}"
    smooth = np.broadcast_to(np.linspace(0, 255, 16, dtype=np.uint8), (1, 16, 16))
    path.write_bytes(encode(picture(smooth), kind, **options))
    image = read_image(path, 1)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), smooth, atol=3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_channels_asked_for(tmp_path, image, channels):
    path = tmp_path / "a.png"
    write_png(image, path)
    read = read_image(path, channels)
    assert read.shape == (channels, 9, 7)
    assert read.flags.c_contiguous
    np.testing.assert_allclose(read.astype(int), to_channels(image, channels), atol=1)


def test_alpha_is_laid_on_white(tmp_path):
    path = tmp_path / "a.png"
    grey, alpha = (Image.fromarray(np.array([row], dtype=np.uint8)) for row in ([0, 0, 100], [0, 255, 128]))
    Image.merge("LA", [grey, alpha]).save(path)
    np.testing.assert_allclose(read_image(path)[0, 0], [255, 0, 177], atol=1)


def test_transparent_palette_colour(tmp_path):
    path = tmp_path / "a.gif"
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(path, transparency=0)
    np.testing.assert_array_equal(read_image(path)[:, 0], [[255, 0], [255, 0], [255, 255]])


def test_bilevel_and_cmyk(tmp_path):
    Image.new("1", (2, 2), 1).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[255, 255], [255, 255]]]
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").shape == (3, 8, 8)
    assert read_image(tmp_path / "a.jpg").min() >= 250


def test_sixteen_bits_are_scaled(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 257 * 100, 65535, 128, 129]], dtype=np.uint16)).save(path)
    assert read_image(path).tolist() == [[[0, 100, 255, 0, 1]]]
    assert read_image(path, 3).shape == (3, 1, 5)


def png_of_sixteen_bits(samples, colour):
    """A PNG file, which Pillow cannot write: samples (H, W, C), colour 2 for RGB, 4 for grey with alpha, 6 for RGBA."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = {b"IHDR": struct.pack(">2I5B", *samples.shape[1::-1], 16, colour, 0, 0, 0), b"IDAT": zlib.compress(rows)}
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in (*chunks.items(), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return file


@pytest.mark.parametrize(
    ("colour", "pixel", "expected"),
    [
        (2, (257 * 10, 257 * 100, 65535), [10, 100, 255]),
        (4, (257 * 100, 65535), [100]),
        (4, (257 * 100, 0), [255]),
        (6, (257 * 10, 257 * 100, 0, 65535), [10, 100, 0]),
        (6, (257 * 10, 257 * 100, 0, 0), [255, 255, 255]),
    ],
    ids=["RGB", "grey-alpha", "grey-transparent", "RGBA", "RGBA-transparent"],
)
def test_sixteen_bits_of_colour_or_with_alpha(tmp_path, colour, pixel, expected):
    (tmp_path / "a.png").write_bytes(png_of_sixteen_bits(np.full((2, 3, len(pixel)), pixel, dtype=np.uint16), colour))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.tile(np.reshape(expected, (-1, 1, 1)), (1, 2, 3)))


def test_white_as_zero(tmp_path):
    stored = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "a.tif", tiffinfo={262: 0})  # Pillow writes the samples as they are
    assert read_image(tmp_path / "a.tif").tolist() == [[[255, 155, 0]]]


def test_more_than_sixteen_bits_are_refused(tmp_path):
    for name, pixels in (("wide", [0, 100_000]), ("signed", [-1, 5])):
        path = tmp_path / f"{name}.tif"
        Image.fromarray(np.array([pixels], dtype=np.int32)).save(path)
        assert refusal(read_image, path).startswith(
            f"{path}: its pixels run from {pixels[0]} to {pixels[1]}, beyond 16"
        )


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF"])
def test_palette_is_looked_up(tmp_path, kind):
    image = Image.fromarray(np.array([[2, 0, 1]], dtype=np.uint8), "L").convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    image.save(tmp_path / "a", kind)
    assert np.moveaxis(read_image(tmp_path / "a"), 0, 2).tolist() == [[[10, 20, 30], [255, 0, 0], [0, 255, 0]]]


@pytest.mark.parametrize(("mode", "expected"), [("RGBA", [227, 177, 152]), ("PA", [255, 255, 255])])
def test_alpha_of_colours_is_laid_on_white(tmp_path, mode, expected):
    if mode == "PA":  # a palette with an alpha for each colour
        image = Image.new("P", (1, 1))
        image.putpalette([200, 100, 50])
        image.save(tmp_path / "a.png", transparency=bytes([0]))
    else:
        Image.new("RGBA", (1, 1), (200, 100, 50, 128)).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[:, 0, 0], expected, atol=1)


def test_inks_of_a_cmyk_tiff(tmp_path):
    Image.new("CMYK", (1, 1), (255, 0, 0, 0)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").ravel().tolist() == [0, 255, 255]


def test_first_frame_of_an_animation(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(path, 1), np.full((1, 4, 4), 10))


def test_exif_orientation_is_honoured(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    picture(GREY).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path)[0], np.rot90(GREY[0], -1))


def text_chunk_bomb():
    png = encode(picture(GREY))
    body = b"zTXt" + b"k\0\0" + zlib.compress(bytes(80_000_000), 1)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def png_claiming(width, height):
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    png = encode(picture(GREY))
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"a line of text\nand another\n", "not a picture"),
        (b"II*\0" + bytes(20), "not a picture"),
        (encode(picture(COLOUR))[:60], "truncated or broken"),
        (encode(picture(COLOUR), "JPEG")[:-40], "truncated or broken"),
        (encode(picture(COLOUR))[:50] + bytes(40), "truncated or broken"),
        (text_chunk_bomb(), "truncated or broken"),
        (png_claiming(12_000, 10_000), "pixels"),
        (png_claiming(60_000, 60_000), "pixels"),
        (png_claiming(0, 5), "picture"),
    ],
    ids=["empty", "text", "tiff", "cut", "cut-jpeg", "zeroed", "text-bomb", "large", "bomb", "no-width"],
)
def test_unreadable_pictures(tmp_path, data, words):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    message = refusal(read_image, path)
    assert message.startswith(f"{path}: ")
    assert words in message


def test_missing_picture_and_folder(tmp_path):
    assert "No such file" in refusal(read_image, tmp_path / "a.png")
    assert "directory" in refusal(read_image, tmp_path)


def test_forbidden_picture(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"1")

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(read_image, tmp_path / "a.png").startswith(
        f"{tmp_path / 'a.png'}: cannot be read (Permission denied)"
    )


def test_a_pipe_and_a_device_are_no_pictures(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert refusal(read_image, tmp_path / "pipe.png").startswith(f"{tmp_path / 'pipe.png'}: a pipe, not a file")
    assert refusal(read_image, tmp_path / "zero.png").startswith(f"{tmp_path / 'zero.png'}: a device, not a file")


def test_floats_as_pixels_are_refused(tmp_path):
    Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)).save(tmp_path / "a.tif")
    assert "its pixels are floats" in refusal(read_image, tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_picture(tmp_path, dtype):
    pixels = np.arange(12, dtype=dtype).reshape(3, 4) * dtype(257 if dtype == np.uint16 else 1)
    Image.fromarray(pixels).save(tmp_path / "a.tiff", save_all=True, append_images=[Image.new("L", (9, 9), 77)])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff"), np.arange(12, dtype=np.uint8).reshape(1, 3, 4))


FUZZED = {
    kind: encode(picture(COLOUR), kind, **options)
    for kind, options in {"PNG": {}, "JPEG": {}, "GIF": {}, "BMP": {}, "WEBP": {"lossless": True}}.items()
}


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_truncated_anywhere(tmp_path, kind):
    path = tmp_path / "a.png"
    path.write_bytes(FUZZED[kind])
    whole = read_image(path)
    for length in range(len(FUZZED[kind])):
        path.write_bytes(FUZZED[kind][:length])
        try:
            image = read_image(path)
        except InputError:
            continue
        np.testing.assert_array_equal(image, whole)


@pytest.mark.parametrize("kind", FUZZED)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_only_input_errors_for_corrupt_pictures(tmp_path, kind, data):
    content = bytearray(FUZZED[kind])
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        content[data.draw(st.integers(0, len(content) - 1), "at")] = data.draw(st.integers(0, 255), "byte")
    path = tmp_path / "a.png"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)), "length")])
    try:
        image = read_image(path)
    except InputError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(9, 7), (3, 14), (20, 5), (1, 1)])
def test_resize_is_pillows(dtype, size):
    top = 255 if dtype == np.uint8 else 1
    image = (COLOUR / 255 * top).astype(dtype)
    resized = resize(image, size)
    assert resized.dtype == dtype
    height, width = size
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in image]
    expected = np.stack([plane.resize((width, height), Image.Resampling.LANCZOS) for plane in planes]).clip(0, top)
    np.testing.assert_allclose(resized, expected, atol=0.501 if dtype == np.uint8 else 1e-6)


def test_resize_keeps_planes_apart():
    image = np.zeros((5, 3, 8, 8), dtype=np.uint8)
    image[2, 1] = 255
    resized = resize(image, (3, 13))
    assert resized.shape == (5, 3, 3, 13)
    assert (resized[2, 1] == 255).all()
    assert resized.sum() == 255 * 3 * 13


def test_nothing_to_do_is_no_copy():
    assert resize(COLOUR, (9, 7)) is COLOUR
    assert to_channels(COLOUR, 3) is COLOUR


def test_to_channels_of_a_batch():
    batch = np.stack([COLOUR, COLOUR[::-1]])
    np.testing.assert_array_equal(to_channels(batch, 1)[1], to_channels(COLOUR[::-1], 1))
    np.testing.assert_allclose(
        to_channels(COLOUR, 1)[0].astype(int), np.asarray(picture(COLOUR).convert("L")).astype(int), atol=1
    )
    np.testing.assert_array_equal(to_channels(GREY, 3), np.concatenate([GREY] * 3))
    assert to_channels(np.ones((3, 2, 2), dtype=np.float32), 1).max() <= 1


# like_mnist


def seven(side=100, ink=0, paper=255, at=(20, 15), digit=60, stroke=8):
    """A seven of straight strokes, ``digit`` pixels high and two thirds as wide."""
    image = Image.new("L", (side, side), paper)
    left, top = at
    width = digit * 2 // 3
    corners = [(left, top), (left + width, top), (left + width // 3, top + digit)]
    ImageDraw.Draw(image).line(corners, fill=ink, width=stroke, joint="curve")
    return np.array(image)[np.newaxis]


def assert_is_digit(digit):
    """It has what every image of MNIST has: black margins, full ink, a 20 pixel box, its mass in the middle."""
    assert digit.shape == (1, 28, 28)
    assert digit.dtype == np.uint8
    assert digit.max() == 255
    assert np.median(digit) == 0
    inked = digit[0] > 64
    sides = [np.ptp(np.flatnonzero(inked.any(axis=axis))) + 1 for axis in (0, 1)]
    assert 18 <= max(sides) <= 20
    mass = digit[0] / digit.sum()
    assert abs((mass.sum(axis=1) @ np.arange(28)) - 14) <= 0.51
    assert abs((mass.sum(axis=0) @ np.arange(28)) - 14) <= 0.51


def likeness(one, other):
    """The correlation of two digits at the best shift by at most a pixel."""
    return max(
        float(np.corrcoef(np.roll(one, (down, right), (1, 2)).ravel(), other.ravel())[0, 1])
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    )


SEVENS = {
    "black on white": seven(),
    "white on black": seven(ink=255, paper=0),
    "on mid-grey": seven(ink=10, paper=100),
    "pencil": seven(ink=150, paper=200),
    "in a corner": seven(side=300, at=(235, 230)),
    "large": seven(side=1000, at=(150, 100), digit=800, stroke=106),
    "tiny": seven(side=28, at=(3, 3), digit=16, stroke=2),
    "in colour": np.concatenate([seven(ink=30), seven(ink=30, paper=230), seven(ink=120, paper=250)]),
}


@pytest.mark.parametrize("name", SEVENS)
def test_any_seven_looks_like_the_same_seven(name):
    digit = like_mnist(SEVENS[name], name)
    assert_is_digit(digit)
    assert likeness(digit, like_mnist(SEVENS["black on white"], name)) > 0.93


def speckled(image):
    image = image.copy()
    image[0, 90, 90] = 0
    return image


def shaded(image):
    light = np.add.outer(np.linspace(-30, 0, image.shape[1]), np.linspace(0, 25, image.shape[2]))
    return (image * 0.7 + 40 + light).clip(0, 255).astype(np.uint8)


def noisy(image):
    return (image * 0.7 + 30 + np.random.default_rng(1).normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def through_jpeg(image):
    return np.array(Image.open(BytesIO(encode(picture(image), "JPEG", quality=40))))[np.newaxis]


@pytest.mark.parametrize("spoil", [speckled, shaded, noisy, through_jpeg])
@pytest.mark.parametrize("invert", [False, True])
def test_spoilt_pictures(spoil, invert):
    clean = 255 - seven() if invert else seven()
    digit = like_mnist(spoil(clean), "spoilt")
    assert_is_digit(digit)
    assert likeness(digit, like_mnist(clean, "clean")) > 0.95
    corners = digit[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()


def test_a_wide_digit_keeps_its_shape():
    image = np.zeros((1, 60, 90), dtype=np.uint8)
    image[0, 20:30, 10:70] = 200
    digit = like_mnist(image, "dash")
    rows, columns = (np.flatnonzero(digit[0].any(axis=axis)) for axis in (1, 0))
    assert (len(rows), len(columns)) == (3, 20)
    assert digit[0, rows[1], columns[5]] == 255


@pytest.mark.parametrize("factor", [1, 2, 5, 10])
@pytest.mark.parametrize("invert", [False, True])
def test_mnist_is_like_mnist(factor, invert):
    likenesses = []
    for original in datasets.load("mnist").test_images[:40]:
        enlarged = resize(original, (28 * factor, 28 * factor))
        digit = like_mnist(255 - enlarged if invert else enlarged, "original")
        assert_is_digit(digit)
        likenesses.append(likeness(digit, original))
    assert min(likenesses) > (0.99 if factor == 1 else 0.9)
    assert np.median(likenesses) > (0.999 if factor == 1 else 0.97)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 28, 28)),
        np.full((3, 50, 40), 200),
        np.full((1, 1, 1), 255),
        128 + np.random.default_rng(2).normal(0, 5, (1, 100, 100)),
        np.add.outer(np.linspace(0, 60, 64), np.linspace(0, 60, 64))[np.newaxis],
    ],
    ids=["black", "grey", "one pixel", "noise", "gradient"],
)
def test_no_digit(image):
    message = refusal(like_mnist, image.astype(np.uint8), "scan.png")
    assert message.startswith("scan.png: no digit found")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_picture_gives_a_digit_or_an_input_error(data):
    shape = (data.draw(st.sampled_from([1, 3])), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)))
    levels = data.draw(st.lists(st.integers(0, 255), min_size=1, max_size=4), "levels")
    seed = data.draw(st.integers(0, 2**32 - 1), "seed")
    image = np.random.default_rng(seed).choice(np.array(levels, dtype=np.uint8), shape)
    before = image.copy()
    try:
        digit = like_mnist(image, "any")
    except InputError:
        return
    finally:
        np.testing.assert_array_equal(image, before)
    assert digit.shape == (1, 28, 28)
    assert digit.max() == 255
