"""Arrays between guard zones: contents, strides, and the detection of accesses outside them."""

from dataclasses import dataclass

import numpy as np
import pytest

from workbench.checking import buffers
from workbench.checking.buffers import FILLERS, GUARD, LaidOut, Placed
from workbench.sampling.layouts import DEVICE_LAYOUTS, LAYOUTS, MIXTURES

LAYOUTS = tuple(layout for layout in LAYOUTS if layout not in MIXTURES)  # an array has one, a mixture is of several

SHAPES = ((5,), (2, 3, 5), (1, 1), (0, 3), (3, 0))


@dataclass
class Guarded:
    """An array that is laid out and placed."""

    laid: LaidOut
    placed: Placed

    def __getattr__(self, name):
        return getattr(self.placed if name in ("view", "whole") else self.laid, name)

    def contents(self, device):
        return self.laid.contents(self.placed.contents(device))

    def changed(self, device):
        return self.laid.changed(self.placed.contents(device))

    def changed_outside(self, device):
        return self.laid.changed_outside(self.placed.contents(device))


def lay_out(name, array, layout, device, filler=FILLERS[0]):
    laid = buffers.lay_out(name, array, layout, device.name, filler)
    return Guarded(laid, buffers.place(laid, device))


def replace(guarded, array, device):
    laid = guarded.laid.replaced(array)
    guarded.placed.put(laid, device)
    return Guarded(laid, guarded.placed)


def values(shape, dtype=np.float32, seed=0):
    return (100 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def on_host(array):
    """An array as NumPy sees it; in the simulator device memory is the host's."""
    return getattr(array, "_ary", array)


def address(array):
    return on_host(array).__array_interface__["data"][0]


def memory(guarded):
    """The bytes of the buffer itself, no copy."""
    return on_host(guarded.whole).view(np.uint8)


def offset(guarded, *index):
    """Where in the buffer, in bytes, the view's strides lead with an index, which may be outside the view."""
    steps = sum(place * stride for place, stride in zip(index, guarded.view.strides, strict=True))
    return address(guarded.view) - address(guarded.whole) + steps


def element(guarded, place):
    item = guarded.view.dtype.itemsize
    return memory(guarded)[place : place + item].copy().view(guarded.view.dtype)[0]


def places(*devices, layouts=LAYOUTS):
    """Parametrise a test by every layout on every one of these devices; device arrays are not given in all of them."""

    return pytest.mark.parametrize(
        ("target", "layout"),
        [
            pytest.param(label, layout, marks=[pytest.mark.gpu] * (label == "cuda"), id=f"{label}-{layout}")
            for label in devices
            for layout in layouts
            if label == "cpu" or layout in DEVICE_LAYOUTS
        ],
        indirect=["target"],
    )


everywhere = places("cpu", "sim", "cuda")
reachable = places("cpu", "sim")
"""Where memory can be looked into and written to directly."""


@everywhere
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", SHAPES)
def test_contents_come_back(target, layout, shape, dtype):
    guarded = lay_out("x", values(shape, dtype), layout, target.device)
    contents = guarded.contents(target.device)
    assert (guarded.name, tuple(guarded.view.shape), contents.dtype) == ("x", shape, dtype)
    np.testing.assert_array_equal(contents, values(shape, dtype))
    np.testing.assert_array_equal(target.device.to_host(guarded.view), values(shape, dtype))
    assert not guarded.changed(target.device)
    assert not guarded.changed_outside(target.device)


@everywhere
def test_a_scalar(target, layout):
    guarded = lay_out("loss", np.array(3.5, np.float32), layout, target.device)
    assert tuple(guarded.view.shape) == ()
    assert guarded.contents(target.device) == 3.5
    assert not guarded.changed_outside(target.device)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_device_arrays_are_contiguous_where_they_cannot_be_as_asked(cuda, layout):
    guarded = lay_out("x", values((3, 4)), layout, cuda.device)
    assert guarded.layout == (layout if layout in DEVICE_LAYOUTS else "contiguous")
    assert guarded.view.is_c_contiguous() == (layout not in ("step", "fortran"))


@everywhere
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 5)])
def test_strides_are_as_promised(target, layout, shape):
    view = lay_out("x", values(shape), layout, target.device).view
    plain = np.array(values(shape).strides)
    reverse = np.array(np.asfortranarray(values(shape)).strides)
    expected = {"step": 2 * plain, "negative": -plain, "transposed": 2 * reverse, "fortran": reverse}
    if layout.startswith("swapped"):
        first, second = (int(axis) % len(shape) for axis in layout.split("-")[1:])
        exchanged = np.empty(np.swapaxes(np.empty(shape), first, second).shape, np.float32)
        expected[layout] = 2 * np.array(np.swapaxes(exchanged, first, second).strides)
    assert tuple(view.strides) == tuple(expected.get(layout, plain))
    if target.name == "cpu":
        assert view.flags.writeable == (layout != "read-only")
        assert view.flags.aligned == (layout != "unaligned")


@everywhere
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 5)])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_write_inside_is_no_write_outside(target, layout, shape, end):
    guarded = lay_out("y", values(shape), layout, target.device)
    if layout == "read-only":
        with pytest.raises(ValueError, match="read-only"):
            guarded.view[0] = 77
        return
    index = tuple(0 if end == "first" else size - 1 for size in shape)
    guarded.view[index] = 77
    assert guarded.contents(target.device)[index] == 77
    assert guarded.changed(target.device)
    assert not guarded.changed_outside(target.device)


def before(shape):
    return (*(0 for _ in shape[1:]), -1)


def behind(shape):
    return (*(size - 1 for size in shape[:-1]), shape[-1])


def plane_before(shape):
    return (-1, *(0 for _ in shape[1:]))


def plane_behind(shape):
    return (shape[0], *(size - 1 for size in shape[1:]))


@places("cpu", "sim")
@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("index", [before, behind, plane_before, plane_behind])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 5), (40, 41)])
def test_what_is_outside_is_the_filler(target, layout, shape, index, filler):
    """One element, and one step of the first axis, beyond either end."""
    guarded = lay_out("x", values(shape), layout, target.device, filler)
    np.testing.assert_equal(element(guarded, offset(guarded, *index(shape))), np.float32(filler))


@reachable
@pytest.mark.parametrize("index", [before, behind, plane_before, plane_behind])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 5), (40, 41)])
def test_a_write_outside_is_seen(target, layout, shape, index):
    guarded = lay_out("x", values(shape), layout, target.device)
    place = offset(guarded, *index(shape))
    memory(guarded)[place] ^= 0xFF
    assert guarded.changed_outside(target.device)
    assert guarded.changed(target.device)
    np.testing.assert_array_equal(guarded.contents(target.device), values(shape))


@places("cpu", "sim")
@pytest.mark.parametrize("index", [before, behind])
def test_integers_are_guarded_by_the_smallest_one(target, layout, index):
    guarded = lay_out("labels", values((6,), np.int64), layout, target.device)
    assert element(guarded, offset(guarded, *index((6,)))) == np.iinfo(np.int64).min


@places("cpu", "sim", layouts=["step", "transposed", "swapped-0-1"])
@pytest.mark.parametrize("filler", FILLERS)
def test_what_is_between_is_guarded(target, layout, filler):
    guarded = lay_out("x", values((3, 4)), layout, target.device, filler)
    place = offset(guarded, 1, 1) + 4
    np.testing.assert_equal(element(guarded, place), np.float32(filler))
    memory(guarded)[place] ^= 0xFF
    assert guarded.changed_outside(target.device)
    np.testing.assert_array_equal(guarded.contents(target.device), values((3, 4)))


@reachable
@pytest.mark.parametrize("size", [1, 33, 1000, 10_000])
def test_zones_are_as_long_as_the_array(target, layout, size):
    """Zones have at least and at most GUARD elements, before and after the view; a write far away is detected."""
    guarded = lay_out("x", values((size,)), layout, target.device)
    zone = 4 * max(GUARD[0], min(size, GUARD[1]))
    first, last = sorted((offset(guarded, 0), offset(guarded, size - 1)))
    assert first >= zone
    assert memory(guarded).size - (last + 4) >= zone
    for place in (first - zone, last + zone):
        memory(guarded)[place] ^= 0xFF
        assert guarded.changed_outside(target.device)
        memory(guarded)[place] ^= 0xFF
    assert not guarded.changed_outside(target.device)


@everywhere
def test_an_empty_array_is_guarded(target, layout):
    guarded = lay_out("x", values((3, 0)), layout, target.device)
    assert guarded.image.size >= 2 * 4 * GUARD[0]
    first = 1 if layout == "unaligned" else 0
    assert np.isnan(guarded.image[first : first + 2 * 4 * GUARD[0]].view(np.float32)).all()


@reachable
def test_replace_keeps_addresses(target, layout):
    old, new = values((3, 4)), values((3, 4), seed=1)
    guarded = lay_out("x", old, layout, target.device)
    where = address(guarded.view)
    replaced = replace(guarded, new, target.device)
    assert address(replaced.view) == where
    assert replaced.view.strides == guarded.view.strides
    np.testing.assert_array_equal(replaced.contents(target.device), new)
    np.testing.assert_array_equal(on_host(replaced.view), new)
    assert not replaced.changed(target.device)
    assert not replaced.changed_outside(target.device)
    assert guarded.changed(target.device)


@reachable
def test_replace_repairs_guard_zones(target, layout):
    guarded = lay_out("x", values((3, 4)), layout, target.device)
    memory(guarded)[0] ^= 0xFF
    assert not replace(guarded, values((3, 4)), target.device).changed_outside(target.device)


@reachable
def test_arrays_have_memory_of_their_own(target, layout):
    array = values((3, 4))
    first, second = (lay_out(name, array, layout, target.device) for name in ("x", "w"))
    assert not target.device.overlap(first.whole, second.whole)
    if target.device.name == "cpu":
        assert not np.shares_memory(first.whole, array)
        assert np.shares_memory(first.whole, first.view)
        assert not np.shares_memory(first.whole, first.image)
