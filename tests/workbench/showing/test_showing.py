"""What the pictures of a network contain: which values, in which colours, and what they say that they leave out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.network.activations import activations
from workbench.network.checkpoint import TrainedRun
from workbench.network.evaluate import ClassScore, Report
from workbench.network.mistakes import Mistake, Mistakes
from workbench.network.spec import Parameters, build
from workbench.pictures.sheet import cut, text_width
from workbench.pictures.style import COUNTS, GRADIENTS, VALUES, WEIGHTS
from workbench.showing.close_up import draw_layer
from workbench.showing.confusion import DIAGONAL, draw_confusion
from workbench.showing.filters import draw_filters
from workbench.showing.mistakes import draw_mistakes
from workbench.showing.overview import draw_overview
from workbench.showing.saliency import draw_saliency, saliency
from workbench.showing.views import filter_views, layer_views, reduced, view_at
from workbench.system.errors import InputError

SMALL = "conv 4 3x3 pad=1 | relu | dropout 0.5 | maxpool 2 | dense 8 | relu | dense 3"


def made(spec=SMALL, size=(1, 8, 8), classes=3, seed=0):
    """A network with drawn weights, and what it makes of a drawn image."""
    rng = np.random.default_rng(seed)
    network = build(spec, size, classes)
    parameters = Parameters.initial(network, rng)
    config = {"spec": spec, "classes": [f"class {number}" for number in range(classes)]}
    run = TrainedRun(folder=Path("a run"), record={"config": config}, network=network, parameters=parameters)
    return run, activations(network, parameters, rng.random(size, dtype=np.float32))


def texts(sheet):
    return [label.text for label in sheet.labels]


def words(sheet):
    return " ".join(texts(sheet))


def has_tile(sheet, pixels):
    return any(tile.pixels.shape == pixels.shape and (tile.pixels == pixels).all() for tile in sheet.tiles)


def overview(run, seen):
    return draw_overview(layer_views(seen), run.classes, seen.probabilities, "a title")


def assert_inside(sheet):
    """Nothing lies outside the sheet, and no line of text is outside or below."""
    for tile in sheet.tiles:
        assert tile.x >= 0
        assert tile.y >= 0
        assert tile.x + tile.pixels.shape[1] * tile.scale[1] <= sheet.width
        assert tile.y + tile.pixels.shape[0] * tile.scale[0] <= sheet.height
    for label in sheet.labels:
        assert 0 <= label.x <= sheet.width
        assert 0 <= label.y <= sheet.height


def test_views_are_the_layers_of_the_spec():
    _, seen = made()
    views = layer_views(seen)
    assert [view.title for view in views] == [
        "input",
        "1 conv 4 3x3 pad=1",
        "2 relu",
        "3 dropout 0.5",
        "4 maxpool 2",
        "5 dense 8",
        "6 relu",
        "7 dense 3",
    ]
    assert [view.size for view in views[:2]] == ["1 channel of 8x8", "4 maps of 8x8"]
    assert views[3].same
    np.testing.assert_array_equal(views[7].values, seen.scores)
    np.testing.assert_array_equal(views[5].values, seen.values[6])  # the implied flatten is none of the spec's


def test_an_overview_draws_every_map_and_value():
    run, seen = made()
    sheet = overview(run, seen)
    assert_inside(sheet)
    for view in layer_views(seen)[1:]:
        if view.same:
            assert view.same in words(sheet)
            continue
        colours = VALUES.colours(view.values, view.largest)
        for pixels in colours if view.values.ndim == 3 else colours[:, np.newaxis, np.newaxis]:
            assert has_tile(sheet, pixels), view.title
    for name, share in zip(run.classes, seen.probabilities, strict=True):
        assert name in texts(sheet)
        assert f"{share:.1%}" in texts(sheet)


def test_colours_tell_signs_apart_and_end_at_the_largest():
    for scale in (VALUES, WEIGHTS, GRADIENTS):
        low, zero, high = scale.colours(np.array([-2.0, 0.0, 2.0]), 2.0).tolist()
        assert len({tuple(low), tuple(zero), tuple(high)}) == 3
        np.testing.assert_array_equal(scale.colours(np.array([1e9, -1e9]), 2.0), [high, low])
        np.testing.assert_array_equal(scale.colours(np.zeros(1), 0.0), [zero])


@pytest.mark.parametrize(
    ("spec", "size", "classes"),
    [
        ("dense 2", (1, 1, 1), 2),
        ("dense 1000", (3, 5, 7), 1000),
        ("conv 90 1x1 | maxpool 1 | conv 300 1x1 | conv 20 3x1 | dense 900 | dense 4", (3, 9, 4), 4),
        ("conv 2 1x1 | flatten | dense 5", (1, 300, 20), 5),
        (" | ".join([*["conv 3 1x1"] * 64, "dense 3"]), (1, 4, 4), 3),
    ],
    ids=["one value", "many classes", "many maps", "a long image", "many layers"],
)
def test_odd_networks_are_drawn_and_what_is_left_out_is_said(spec, size, classes):
    run, seen = made(spec, size, classes)
    views = layer_views(seen)
    sheets = [
        overview(run, seen),
        draw_saliency(seen, 0, run.classes[0], "t"),
        *(draw_layer(v, "t") for v in views[:6]),
    ]
    if "conv" in spec:
        sheets += [draw_filters(filter_views(run, seen), "t"), draw_filters(filter_views(run)[:1], "t")]
    for sheet in sheets:
        assert_inside(sheet)
        assert sheet.height < 2**15
    told = words(sheets[0])
    if classes == 1000:
        assert "the other 990 classes" in told
    if "conv 300" in spec:
        assert "the first 168 of 300 are drawn" in told
        assert "the first 600 of 900 are drawn" in told
        assert "the first 144 of 300 are drawn" in words(draw_layer(views[3], "t"))
        assert "the first 16 of 90 channels" in words(sheets[-2])
    if "flatten" in spec:
        assert "a pixel is the mean of" in told
    if len(views) > 64:
        assert "the first 60 of 65 layers are drawn" in told
        assert "The first 24 of 64 convolutions are drawn" in words(sheets[-2])


def test_means_are_those_of_the_values():
    values = np.arange(2 * 5 * 7.0).reshape(2, 5, 7)
    small = reduced(values, 3)
    assert small.shape == (2, 2, 3)
    for row in range(2):
        for column in range(3):
            block = values[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            np.testing.assert_allclose(small[:, row, column], block.mean(axis=(1, 2)))
    assert reduced(values, 1) is values


def test_one_layer_is_drawn_with_its_numbers():
    _, seen = made()
    view = view_at(layer_views(seen), 7)
    sheet = draw_layer(view, "t")
    minus = "\N{MINUS SIGN}"
    for value in view.values:
        assert f"{value:.2f}".replace("-", minus) in texts(sheet)
    assert [text for text in texts(draw_layer(view_at(layer_views(seen), 1), "t")) if text.startswith("map ")] == [
        f"map {number}" for number in range(4)
    ]


def test_filters_are_the_weights_and_with_a_picture_the_maps():
    run, seen = made()
    weights = run.parameters.named["0.weight"]
    largest = float(np.abs(weights).max())
    for views in (filter_views(run), filter_views(run, seen, 1)):
        sheet = draw_filters(views, "t")
        for filter_ in WEIGHTS.colours(weights, largest)[:, 0]:
            assert has_tile(sheet, filter_)
    maps = seen.values[1]
    for pixels in VALUES.colours(maps, float(np.abs(maps).max())):
        assert has_tile(sheet, pixels)


def test_a_saliency_is_the_gradient_and_of_colours_the_largest():
    _, seen = made("conv 4 3x3 | relu | dense 3", (3, 6, 5))
    gradient = seen.gradients(1)[0]
    found = saliency(seen, 1)
    np.testing.assert_array_equal(np.abs(found), np.abs(gradient).max(axis=0))
    assert all(value in gradient[:, row, column] for (row, column), value in np.ndenumerate(found))
    sheet = draw_saliency(seen, 1, "class 1", "t")
    assert has_tile(sheet, GRADIENTS.colours(found, float(np.abs(found).max())))


def report_of(confusion):
    confusion = np.array(confusion)
    classes = tuple(
        ClassScore(name=f"class {number}", images=1, recall=0.0, precision=0.0, f1=0.0)
        for number in range(len(confusion))
    )
    right, total = int(np.trace(confusion)), int(confusion.sum())
    return Report(
        data="d",
        split="test",
        samples=total,
        correct=right,
        accuracy=right / total,
        loss=0.0,
        classes=classes,
        confusion=confusion.tolist(),
        notes=(),
    )


def test_a_confusion_matrix_shows_counts_and_the_errors_stand_out():
    confusion = np.array([[90, 3, 0], [1, 80, 0], [0, 7, 70]])
    sheet = draw_confusion(report_of(confusion), "t")
    assert_inside(sheet)
    matrix = next(tile for tile in sheet.tiles if tile.pixels.shape == (3, 3, 3))
    for (row, column), count in np.ndenumerate(confusion):
        wanted = DIAGONAL if row == column else COUNTS.colours(np.array(float(count)), 7.0)
        np.testing.assert_array_equal(matrix.pixels[row, column], wanted)
        assert not count or f"{count}" in texts(sheet)
    assert "class 2 taken for class 1" in words(sheet)
    assert words(sheet).index("class 2 taken for class 1") < words(sheet).index("class 0 taken for class 1")


@pytest.mark.parametrize("classes", [2, 40, 1000])
def test_a_confusion_matrix_of_any_number_of_classes_fits(classes):
    sheet = draw_confusion(report_of(np.eye(classes, dtype=int)), "t")
    assert_inside(sheet)
    assert "nothing is confused" in words(sheet)


def test_mistakes_are_drawn_as_they_are_given():
    rng = np.random.default_rng(0)
    wrong = tuple(
        Mistake(
            index=number,
            image=rng.integers(0, 256, (1, 8, 8), dtype=np.uint8),
            label=number % 3,
            predicted=(number + 1) % 3,
            probability=1 - number / 1000,
        )
        for number in range(60)
    )
    found = Mistakes(data="d", split="test", samples=1000, mistakes=wrong, notes=())
    sheet = draw_mistakes(found, ("left", "right", "\x1b[31mred" + "d" * 90), "t")
    assert_inside(sheet)
    assert "60 of the 1,000 test images" in words(sheet)
    assert "The first 48 of 60 are drawn" in words(sheet)
    for mistake in wrong[:48]:
        assert has_tile(sheet, np.moveaxis(mistake.image.repeat(3, axis=0), 0, -1))
    assert "\x1b" not in words(sheet)


def test_a_sheet_is_saved_pixel_by_pixel(tmp_path):
    run, seen = made()
    sheet = overview(run, seen)
    path = tmp_path / "layers.png"
    sheet.save(path)
    saved = np.asarray(Image.open(path).convert("RGB"))
    assert saved.shape == (sheet.height, sheet.width, 3)
    view = layer_views(seen)[1]
    wanted = VALUES.colours(view.values[2], view.largest)
    tile = next(tile for tile in sheet.tiles if tile.pixels.shape == wanted.shape and (tile.pixels == wanted).all())
    (down, across), (height, width) = tile.scale, wanted.shape[:2]
    drawn = saved[tile.y : tile.y + height * down, tile.x : tile.x + width * across]
    np.testing.assert_array_equal(drawn, wanted.repeat(down, axis=0).repeat(across, axis=1))


def test_a_layer_that_is_not_there_is_named_with_those_that_are():
    run, seen = made()
    views = layer_views(seen)
    with pytest.raises(
        InputError, match=r"--layer 8: no such layer; there are input, 1 conv 4 3x3 pad=1, .*, 7 dense 3"
    ):
        view_at(views, 8)
    with pytest.raises(InputError, match="no such layer"):
        view_at(views, -1)
    with pytest.raises(InputError, match=r"--layer 2 --filters: no convolution there; there are 1 conv"):
        filter_views(run, place=2)
    run, _ = made("dense 3")
    with pytest.raises(InputError, match="the network has no convolution"):
        filter_views(run)


@pytest.mark.parametrize("width", [3, 30, 200, 2000])
def test_a_text_is_cut_where_it_no_longer_fits(width):
    text = "wide and iiii narrow " * 20
    found = cut(text, width, 26)
    if not found.endswith("…"):
        assert found == text
        assert text_width(text, 26) <= width
        return
    kept = len(found) - 1
    assert found == text[:kept] + "…"
    assert not kept or text_width(found, 26) <= width
    assert text_width(text[: kept + 1] + "…", 26) > width
