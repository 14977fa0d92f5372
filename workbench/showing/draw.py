"""The pictures of ``workbench show``: which is asked for, and the drawing of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.network.activations import Activations, activations
from workbench.network.checkpoint import TrainedRun
from workbench.network.mistakes import find_mistakes
from workbench.network.predict import prepared
from workbench.network.record import RunRecord
from workbench.pictures.images import read_image
from workbench.pictures.sheet import Sheet
from workbench.showing.close_up import draw_layer
from workbench.showing.curves import draw_history
from workbench.showing.filters import draw_filters
from workbench.showing.mistakes import draw_mistakes
from workbench.showing.overview import draw_overview
from workbench.showing.saliency import draw_saliency
from workbench.showing.views import filter_views, layer_views, view_at
from workbench.system.errors import InputError, shortened
from workbench.system.numbers import plural

CURVE = "curve.png"

MOST_LISTED = 12
"""The most classes that an error message lists."""


@dataclass(frozen=True, kw_only=True)
class ShowRequest:
    """What to draw: at most one of ``filters``, ``saliency`` and ``mistakes``, else all layers or the one at a place.

    Attributes
    ----------
    image : the picture that the network sees
    raw : only resize it
    layer : the place of a layer, 0 for the picture
    target : the name of the class of a saliency; None for the most probable
    data, split : of the mistakes
    """

    image: Path | None = None
    raw: bool = False
    layer: int | None = None
    filters: bool = False
    saliency: bool = False
    target: str | None = None
    mistakes: bool = False
    data: str | None = None
    split: str = "test"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture, the name of its file in the run's folder, what it says in a line, and notes on the data.

    There is no picture where there is nothing to draw.
    """

    sheet: Sheet | None
    name: str
    words: str
    notes: tuple[str, ...] = ()


def draw(run: TrainedRun, request: ShowRequest) -> Drawn:
    """Draw what is asked for.

    Raises
    ------
    InputError
        There is no such layer or class, or the picture or the data cannot be used.
    """
    if request.mistakes:
        return _draw_mistakes(run, request)
    seen = None if request.image is None else _see(run, request.image, request.raw)
    if request.filters:
        layers = filter_views(run, seen, request.layer)
        words = f"the filters of {plural(len(layers), 'layer')}"
        title = f"What {run.folder.resolve().name} has learned: its filters"
        return Drawn(sheet=draw_filters(layers, title), name=f"filters{_suffix(request)}", words=words)
    assert seen is not None
    assert request.image is not None
    best = int(seen.probabilities.argmax())
    answer = f"{run.classes[best]} ({seen.probabilities[best]:.1%})"
    if request.saliency:
        target = best if request.target is None else _class_named(run, request.target)
        name = run.classes[target]
        sheet = draw_saliency(
            seen, target, name, f"Which pixels of {request.image.name} speak for {name}: it says {answer}"
        )
        return Drawn(sheet=sheet, name=f"saliency{_suffix(request)}", words=f"what speaks for {name}; it says {answer}")
    views = layer_views(seen)
    title = f"What {run.folder.resolve().name} sees in {request.image.name}: it says {answer}"
    if request.layer is None:
        sheet = draw_overview(views, run.classes, seen.probabilities, title)
        return Drawn(
            sheet=sheet, name=f"layers{_suffix(request)}", words=f"{plural(len(views) - 1, 'layer')}; it says {answer}"
        )
    view = view_at(views, request.layer)
    words = f"{view.title}: {view.size}; it says {answer}"
    return Drawn(sheet=draw_layer(view, title), name=f"layer{_suffix(request)}", words=words)


def draw_curve(record: RunRecord) -> Drawn:
    """Draw the epochs of a run so far, at least one: loss, accuracy and learning rate."""
    done, planned = len(record["epochs"]), record["config"].get("epochs")
    accuracy = record["epochs"][-1]["test_accuracy"]
    of = f" of {planned:,}" if planned and planned > done else ""
    words = f"{plural(done, 'epoch')}{of}, test accuracy {accuracy:.2%}"
    return Drawn(sheet=draw_history(record), name=CURVE, words=words)


def _draw_mistakes(run: TrainedRun, request: ShowRequest) -> Drawn:
    found = find_mistakes(run, request.data, request.split)
    total = len(found.mistakes)
    words = f"{total:,} of {found.samples:,} {found.split} images of {found.data} are taken for something else"
    title = f"What {run.folder.resolve().name} gets wrong"
    sheet = draw_mistakes(found, run.classes, title) if total else None
    return Drawn(sheet=sheet, name="mistakes.png", words=words, notes=found.notes)


def _see(run: TrainedRun, path: Path, raw: bool) -> Activations:
    image = prepared(run, lambda channels: read_image(path, channels), str(path), raw=raw)
    return activations(run.network, run.parameters, image)


def _class_named(run: TrainedRun, name: str) -> int:
    if name not in run.classes:
        listed = ", ".join(map(shortened, run.classes[:MOST_LISTED])) + ", ..." * (len(run.classes) > MOST_LISTED)
        raise InputError(f"--class {shortened(name)}: no such class; there are {listed}")
    return run.classes.index(name)


def _suffix(request: ShowRequest) -> str:
    """Return the end of a file's name: the layer and the picture that it is about."""
    layer = "" if request.layer is None else f"-{request.layer}"
    return f"{layer}{'' if request.image is None else f'-{request.image.stem}'}.png"
