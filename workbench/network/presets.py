"""Presets: named networks. The first layer adapts to the data's channels, the last to the number of classes."""

from workbench.network.spec import FORMS, Layer, parse
from workbench.system.errors import InputError, shortened

PRESETS = {
    "lenet5": (
        "conv 6 5x5 pad=2 | relu | maxpool 2 | conv 16 5x5 | relu | maxpool 2 "
        "| dense 120 | relu | dense 84 | relu | dense {classes}"
    ),
    "lenet-article": (
        "conv 6 5x5 pad=2 | relu | maxpool 2 | conv 16 5x5 | relu | maxpool 2 | dense 120 | relu | dense {classes}"
    ),
}

PRESET_IMAGE_SIZE = (28, 28)


def layer_spec(model: str, classes: int) -> str:
    """Return the layer spec of a preset for a number of classes; any other text is a layer spec already."""
    return PRESETS[model].format(classes=classes) if model in PRESETS else model


def layers_of(model: str) -> tuple[Layer, ...]:
    """Return the layers of a preset or a layer spec, for any number of classes, before any data is loaded.

    Raises
    ------
    InputError
        The text is neither a preset nor a layer spec.
    """
    words = model.split()
    if len(words) == 1 and words[0] not in {*PRESETS, *FORMS}:
        raise InputError(f"--model {shortened(model)}: neither a preset ({', '.join(PRESETS)}) nor a layer spec")
    return parse(layer_spec(model, 1))
