"""Augmentation: the kernel against loops in float64 with an a-priori bound, properties of it, and of what is drawn."""

import numba
import numpy as np
import pytest

from kernels.augment import drawing, resampling
from kernels.augment.batch import augment
from kernels.augment.reference import augment_reference, displacement
from kernels.augment.strengths import CONTROLS, Strengths, warp_of
from kernels.compile.philox import philox
from kernels.declare.rounding import gamma

ALL = Strengths(shift=2, rotate=15, scale=0.2, elastic=1.5, flip=0.5)
SHAPES = [(1, 28, 28), (3, 17, 35), (2, 5, 3), (1, 1, 1)]


def drawn(shape, samples, seed=0, bytes_=True):
    pixels = np.random.default_rng(seed).integers(0, 256, (samples, *shape), dtype=np.uint8)
    return pixels if bytes_ else (pixels / np.float32(100) - np.float32(1)).astype(np.float32)


def unit(images):
    return images / 255 if images.dtype == np.uint8 else images.astype(np.float64)


def plain(function):
    return getattr(function, "py_func", function)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bytes_", [True, False])
@pytest.mark.parametrize("strengths", [ALL, ALL._replace(elastic=0)], ids=["elastic", "affine"])
def test_the_kernel_is_the_reference_up_to_rounding(shape, bytes_, strengths):
    """A place is off by roundings of its terms; interpolation changes by at most the range of the pixels for every pixel."""
    images, seed = drawn(shape, 3, bytes_=bytes_), 2**40 + 7
    expected = np.empty(images.shape)
    augment_reference(unit(images), strengths, seed, expected)
    unit_roundoff, extent = 2.0**-24, sum(shape[1:]) + 2 * strengths.shift
    bend = 6 * strengths.elastic
    place = gamma(12, unit_roundoff) * (2 * extent / (1 - strengths.scale) + extent) + gamma(20, unit_roundoff) * bend
    values = unit(images)
    span = max(values.max(), 0) - min(values.min(), 0)
    bound = 2 * place * span + gamma(8, unit_roundoff) * np.abs(values).max()
    got = augment(images, warp_of(strengths, shape), seed)
    assert np.abs(got - expected).max() <= bound
    assert min(values.min(), 0) - bound <= got.min() <= got.max() <= max(values.max(), 0) + bound


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bytes_", [True, False])
def test_no_strength_leaves_the_picture(shape, bytes_):
    images = drawn(shape, 3, bytes_=bytes_)
    np.testing.assert_array_equal(augment(images, warp_of(Strengths(), shape), 1), unit(images).astype(np.float32))


def test_a_sure_flip_mirrors():
    images = drawn((2, 9, 20), 3)
    flipped = augment(images, warp_of(Strengths(flip=1), (2, 9, 20)), 1)
    np.testing.assert_array_equal(flipped, unit(images).astype(np.float32)[..., ::-1])


def shifted(picture, down, across):
    """Resample a picture (H, W), moved by a shift that is given."""
    shape = 1, *picture.shape
    warp = warp_of(Strengths(shift=1), shape)
    memory = np.zeros(resampling.room_of(warp), np.float32)
    rows, columns = (size + resampling.BORDER for size in picture.shape)
    memory[: rows * columns].reshape(rows, columns)[1:-2, 1:-2] = picture
    transform = rows * columns
    centre = (picture.shape[0] - 1) / 2 + down, (picture.shape[1] - 1) / 2 + across
    memory[transform : transform + drawing.TRANSFORM] = 1, 0, 0, 1, *centre
    controls = transform + drawing.TRANSFORM
    out = np.full(picture.size, np.nan, np.float32)
    plain(resampling.resample)(warp, memory, transform, controls, controls + 4 * drawing.COUNTERS, out, 0)
    return out.reshape(picture.shape)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (2, 0), (-3, 1), (0, -28), (50, 50)])
def test_a_shift_by_whole_pixels_is_exact(down, across):
    picture = unit(drawn((1, 28, 28), 1))[0, 0].astype(np.float32)
    expected = np.zeros_like(picture)
    for i, j in np.ndindex(28, 28):
        if 0 <= i - down < 28 and 0 <= j - across < 28:
            expected[i, j] = picture[i - down, j - across]
    np.testing.assert_array_equal(shifted(picture, down, across), expected)


@pytest.mark.parametrize(("down", "across"), [(0.5, 0), (1.25, -0.75), (-2.9, 2.1)])
def test_a_shift_within_the_picture_keeps_the_sum(down, across):
    picture = np.zeros((20, 24), np.float32)
    picture[4:16, 4:20] = unit(drawn((1, 12, 16), 1))[0, 0]
    assert shifted(picture, down, across).sum(dtype=np.float64) == pytest.approx(
        picture.sum(dtype=np.float64), rel=gamma(20, 2.0**-24)
    )


def test_a_picture_depends_on_its_place_and_on_nothing_else():
    images, warp = drawn((1, 12, 12), 8), warp_of(ALL, (1, 12, 12))
    whole = augment(images, warp, 3)
    np.testing.assert_array_equal(augment(images[:5], warp, 3), whole[:5])
    np.testing.assert_array_equal(augment(images[::-1], warp, 3)[0], augment(images[7:], warp, 3)[0])
    assert not np.array_equal(augment(images, warp, 4), whole)
    same = augment(np.repeat(images[:1], 8, axis=0), warp, 3)
    assert len({picture.tobytes() for picture in same}) == 8


def test_the_same_bits_for_any_number_of_threads():
    images, warp = drawn((3, 32, 32), 50), warp_of(ALL, (3, 32, 32))
    threads, results = numba.get_num_threads(), []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            results.append(augment(images, warp, 3).tobytes())
    finally:
        numba.set_num_threads(threads)
    assert results[0] == results[1]


def test_what_is_drawn_is_uniform():
    """Moments and ends of each number over many places, within five standard deviations."""
    warp, count = warp_of(ALL, (1, 28, 28)), 1000
    found = np.empty((count, drawing.TRANSFORM), np.float32)
    for n, memory in enumerate(found):
        plain(drawing.draw_transform)(warp, 5, 6, n, memory, 0)
    t0, t1, t2, t3, centre_i, centre_j = found.astype(np.float64).T
    mirrored = t3 < 0
    numbers = {
        "angle": np.arctan2(t1, t0) / np.radians(15),
        "height": (1 / np.hypot(t0, t1) - 1) / 0.2,
        "width": (1 / np.hypot(t2, t3) - 1) / 0.2,
        "down": (centre_i - 13.5) / 2,
        "across": (centre_j - 13.5) / 2,
    }
    for name, values in numbers.items():
        assert 0.97 < np.abs(values).max() < 1 + 1e-5, name
        assert abs(values.mean()) < 5 / np.sqrt(3 * count), name
        assert abs((values**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / count), name
    assert abs(np.corrcoef([*numbers.values(), mirrored]) - np.eye(6)).max() < 5 / np.sqrt(count)
    assert abs(mirrored.mean() - 0.5) < 2.5 / np.sqrt(count)


def test_elastic_is_the_root_mean_square_of_the_displacement():
    rng = np.random.default_rng(0)
    found = []
    for n in range(300):
        words = [plain(philox)(counter, 0, n, 0, 5, 6) for counter in range(34)]
        found.append(displacement(1.5, words, rng.random(), rng.random()))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1.5, rel=0.1)


def test_the_weights_of_the_control_points_add_up_to_one():
    warp = warp_of(ALL, (1, 9, 30))
    assert warp.rows.reshape(9, CONTROLS).sum(axis=1) == pytest.approx(np.ones(9))
    assert warp.columns.reshape(CONTROLS, -1)[:, :30].sum(axis=0) == pytest.approx(np.ones(30))
