"""Networks: the layer spec, the shapes of its layers, its parameters and its buffers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import OPS, KernelsError
from kernels.call.planning import plan
from kernels.declare.op import Shape
from kernels.declare.shapes import normal_options
from workbench.system.errors import InputError, nearest, shortened

Floats = NDArray[np.float32]

POOLS = {"maxpool": "max_pool2d", "avgpool": "avg_pool2d", "sumpool": "sum_pool2d"}

MOST_PARAMETERS, MOST_VALUES = 2**31, 2**31
"""The most parameters of a network, and the most values of one sample at any layer: 8 GiB in float32."""

VARIANCE = "running_var"
"""The buffer whose values cannot be negative."""

INITIAL_BUFFERS = {"running_mean": 0.0, VARIANCE: 1.0}
"""The buffers of a batch normalization, by PyTorch's names, and what all their values are before training."""

MOMENTUM = 0.1
"""The share that the statistics of a batch have in the running ones after it."""

DIGITS = 9
"""The most digits of a number in a layer spec."""

FORMS = {
    "conv": "conv O KHxKW [stride=] [pad=] [dilation=] [groups=]",
    "relu": "relu",
    **{pool: f"{pool} K [stride=] [pad=]" for pool in POOLS},
    "flatten": "flatten",
    "dense": "dense M",
    "batchnorm": "batchnorm",
    "dropout": "dropout P",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a network.

    Attributes
    ----------
    number : its position, counted from 0 as in torch.nn.Sequential, an implied flatten included
    place : its position in the spec, counted from 1; that of the layer after it for an implied flatten
    text : as written in the spec
    op : the operation it runs, or "flatten"
    options : of the operation, by name
    outputs : channels of a convolution, outputs of a dense layer; else None
    kernel : (height, width) of a convolution's filters
    implied : whether it is a flatten that the spec leaves out
    """

    number: int
    place: int
    text: str
    op: str
    options: dict[str, Any]
    outputs: int | None = None
    kernel: tuple[int, int] | None = None
    implied: bool = False

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Return the shapes of "weight" and "bias" for samples of ``shape``; empty for layers without parameters."""
        if self.op == "batch_norm":
            return {"weight": (shape[0],), "bias": (shape[0],)}
        if self.outputs is None:
            return {}
        if self.op == "dense":
            return {"weight": (self.outputs, prod(shape)), "bias": (self.outputs,)}
        assert self.kernel is not None
        channels = max(shape[0] // self.options.get("groups", 1), 1)
        return {"weight": (self.outputs, channels, *self.kernel), "bias": (self.outputs,)}

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one sample after this layer.

        Raises
        ------
        InputError
            The layer cannot process ``shape``; the message names the layer and the shape.
        """
        if self.op == "flatten":
            return (prod(shape),)
        if self.op in ("batch_norm", "dropout"):
            return shape
        op = OPS[self.op]
        shapes: dict[str, Shape] = {"x": (1, *shape)}
        parameters = self.parameter_shapes(shape)
        if parameters:
            shapes |= {"w": parameters["weight"], "b": parameters["bias"]}
        try:
            return plan(op, shapes, np.dtype(np.float32), self.options, device="cpu").output_shapes[0][1:]
        except KernelsError as error:
            raise InputError(f"{self.name}: input is {_times(shape)}: {str(error).partition(': ')[2]}") from error

    def normal_options(self, shape: Shape) -> dict[str, Any]:
        """Return the options of the operation in normal form, for samples of ``shape``; none for "flatten"."""
        if self.op not in OPS:
            return {}
        parameters = self.parameter_shapes(shape)
        shapes = {"x": (1, *shape), "w": parameters.get("weight", ()), "b": parameters.get("bias", ())}
        return normal_options(OPS[self.op], self.options, shapes)

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Return the shapes of what is kept but not trained: the running statistics of a batch normalization."""
        return dict.fromkeys(INITIAL_BUFFERS, (shape[0],)) if self.op == "batch_norm" else {}

    @property
    def has_parameters(self) -> bool:
        """Whether it has a weight and a bias."""
        return self.outputs is not None or self.op == "batch_norm"

    @property
    def name(self) -> str:
        """Place and text, as used in error messages."""
        return _name(self.place, self.text)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A layer spec applied to an input shape.

    Attributes
    ----------
    spec : the text
    layers : including the implied flatten
    input_shape : (C, H, W) of one sample
    shapes : of one sample before every layer, and after the last
    """

    spec: str
    layers: tuple[Layer, ...]
    input_shape: Shape
    shapes: tuple[Shape, ...]

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        """The shape of every parameter by name, "<layer number>.weight" and "<layer number>.bias"."""
        return self._named(Layer.parameter_shapes)

    @property
    def buffer_shapes(self) -> dict[str, Shape]:
        """The shape of every buffer by name, "<layer number>.running_mean" and "<layer number>.running_var"."""
        return self._named(Layer.buffer_shapes)

    def _named(self, shapes_of: Callable[[Layer, Shape], dict[str, Shape]]) -> dict[str, Shape]:
        return {
            f"{layer.number}.{name}": size
            for layer, shape in zip(self.layers, self.shapes, strict=False)
            for name, size in shapes_of(layer, shape).items()
        }


def build(spec: str, input_shape: Shape, classes: int) -> Network:
    """Parse a layer spec and apply it to samples of ``input_shape`` (C, H, W) and a number of classes.

    Raises
    ------
    InputError
        The spec cannot be parsed, a layer cannot process its input, or the last layer does not return one score per
        class.
    """
    layers = parse(spec)
    shapes = [input_shape]
    parameters = 0
    for layer in layers:
        before, after = shapes[-1], layer.output_shape(shapes[-1])
        parameters += sum(prod(size) for size in layer.parameter_shapes(before).values())
        if parameters > MOST_PARAMETERS:
            raise InputError(
                f"{layer.name}: makes {parameters:,} parameters, at most {MOST_PARAMETERS:,} are supported"
            )
        if prod(after) > MOST_VALUES:
            raise InputError(
                f"{layer.name}: gives {_times(after)}, {prod(after):,} values for each sample; at most "
                f"{MOST_VALUES:,} are supported"
            )
        shapes.append(after)
    if shapes[-1] != (classes,):
        raise InputError(
            f"{layers[-1].name}: gives {_times(shapes[-1])}, but the data has {classes} classes; "
            f"end the spec with 'dense {classes}'"
        )
    return Network(spec=spec, layers=layers, input_shape=input_shape, shapes=tuple(shapes))


def parse(spec: str) -> tuple[Layer, ...]:
    """Parse layers joined by ``|``; a missing flatten is added before the first dense layer."""
    layers: list[Layer] = []
    flat = False
    for place, text in enumerate((part.strip() for part in spec.split("|")), start=1):
        words = text.split()
        if not words:
            raise InputError(f"layer {place} is empty in {shortened(spec)!r}; separate layers by a single |")
        if words[0] not in FORMS:
            raise InputError(f"{_name(place, text)}: {nearest('layer', shortened(words[0]), list(FORMS))}")
        if words[0] == "dense" and not flat:
            flatten = Layer(number=len(layers), place=place, text="flatten", op="flatten", options={}, implied=True)
            layers.append(flatten)
        flat = flat or words[0] in ("dense", "flatten")
        layers.append(_parse_layer(len(layers), place, text, words))
    return tuple(layers)


def _parse_layer(number: int, place: int, text: str, words: list[str]) -> Layer:
    kind, given = words[0], [word for word in words[1:] if "=" not in word]
    allowed = re.findall(r"\[(\w+)=\]", FORMS[kind])
    needed = len(FORMS[kind].split()) - 1 - len(allowed)
    if len(given) != needed:
        raise _misread(place, text, kind)
    options: dict[str, Any] = {}
    for word in words[1:]:
        if "=" not in word:
            continue
        name, _, value = word.partition("=")
        if name not in allowed:
            raise InputError(
                f"{_name(place, text)}: unknown option {shortened(name)!r}; "
                + (f"{kind} takes {', '.join(allowed)}" if allowed else f"{kind} takes none")
            )
        key = {"pad": "padding"}.get(name, name)
        if key in options:
            raise InputError(f"{_name(place, text)}: {name} is given twice")
        options[key] = _named_value(place, text, kind, name, value)
    if kind in ("relu", "flatten", "batchnorm"):
        return Layer(number=number, place=place, text=text, op={"batchnorm": "batch_norm"}.get(kind, kind), options={})
    if kind == "dropout":
        return Layer(number=number, place=place, text=text, op=kind, options={"p": _share(place, text, given[0])})
    if kind == "dense":
        outputs = _count(place, text, kind, given[0])
        return Layer(number=number, place=place, text=text, op="dense", options={}, outputs=outputs)
    if kind == "conv":
        outputs = _count(place, text, kind, given[0])
        kernel = _size(place, text, kind, given[1])
        return Layer(
            number=number, place=place, text=text, op="conv2d", options=options, outputs=outputs, kernel=kernel
        )
    options = {"kernel_size": _size(place, text, kind, given[0]), **options}
    return Layer(number=number, place=place, text=text, op=POOLS[kind], options=options)


def _name(place: int, text: str) -> str:
    return f"layer {place} ({shortened(text)})"


def _misread(place: int, text: str, kind: str) -> InputError:
    return InputError(f"{_name(place, text)}: not valid; the form is: {FORMS[kind]}")


def _number(place: int, text: str, kind: str, word: str) -> int:
    if not word.isascii() or not word.isdigit():
        raise _misread(place, text, kind)
    if len(word) > DIGITS:
        raise InputError(f"{_name(place, text)}: a number of {len(word):,} digits; at most {DIGITS} are read")
    return int(word)


def _share(place: int, text: str, word: str) -> float:
    """Parse a probability below 1, written as a decimal number."""
    if not re.fullmatch(rf"[0-9]{{1,{DIGITS}}}(\.[0-9]{{1,{DIGITS}}})?|\.[0-9]{{1,{DIGITS}}}", word):
        raise _misread(place, text, "dropout")
    if float(word) >= 1:
        raise InputError(f"{_name(place, text)}: drops {shortened(word)} of the values; P must be below 1")
    return float(word)


def _count(place: int, text: str, kind: str, word: str) -> int:
    number = _number(place, text, kind, word)
    if number == 0:
        raise _misread(place, text, kind)
    return number


def _size(place: int, text: str, kind: str, word: str) -> tuple[int, int]:
    """Parse K or KHxKW."""
    parts = word.split("x")
    if len(parts) > 2:
        raise _misread(place, text, kind)
    sizes = [_count(place, text, kind, part) for part in parts]
    return sizes[0], sizes[-1]


def _named_value(place: int, text: str, kind: str, name: str, value: str) -> Any:
    if name == "pad" and value in ("same", "valid"):
        return value
    if name == "groups":
        return _count(place, text, kind, value)
    parts = value.split("x")
    if len(parts) > 2:
        raise _misread(place, text, kind)
    sizes = [_number(place, text, kind, part) for part in parts]
    return sizes[0], sizes[-1]


def _times(shape: Shape) -> str:
    return "x".join(map(str, shape))


@dataclass(frozen=True)
class Buffers:
    """What a network keeps from step to step besides its parameters: a flat float32 vector, a named view of every part.

    A training step updates them; inference reads them. They have no gradients.
    """

    flat: Floats
    named: dict[str, Floats]

    @classmethod
    def initial(cls, network: Network) -> Buffers:
        """Return the buffers of a network before training."""
        buffers = cls.over(np.empty(_total(network.buffer_shapes), np.float32), network)
        for name, values in buffers.named.items():
            values[...] = INITIAL_BUFFERS[name.partition(".")[2]]
        return buffers

    @classmethod
    def over(cls, flat: Any, network: Network) -> Buffers:
        """Return buffers that are views of a flat vector."""
        return cls(flat, _views(flat, network.buffer_shapes))

    def average(self, layer: int, mean: NDArray[Any], var: NDArray[Any], count: int) -> None:
        """Let a batch count in the running statistics of a layer, as in PyTorch: the variance divided by one less.

        A batch with one value for each channel has no variance; it leaves the running statistics as they are.

        Parameters
        ----------
        layer : its number
        mean, var : of the batch, (C,); the variance divided by ``count``
        count : values for each channel
        """
        if count > 1:
            unbiased = var * var.dtype.type(count / (count - 1))
            for name, values in zip(INITIAL_BUFFERS, (mean, unbiased), strict=True):
                running = self.named[f"{layer}.{name}"]
                running += running.dtype.type(MOMENTUM) * (values - running)


def _no_buffers() -> Buffers:
    return Buffers(np.empty(0, np.float32), {})


@dataclass(frozen=True)
class Parameters:
    """The parameters of a network, or their gradients: one flat float32 vector and a named view of every part.

    Parameters come with the buffers of the network; those of gradients mean nothing.
    """

    flat: Floats
    named: dict[str, Floats]
    buffers: Buffers = field(default_factory=_no_buffers)

    @classmethod
    def zeros(cls, network: Network) -> Parameters:
        """Return parameters of value zero, and buffers as they are before training."""
        shapes = network.parameter_shapes
        flat = np.zeros(_total(shapes), np.float32)
        return cls(flat, _views(flat, shapes), Buffers.initial(network))

    @classmethod
    def initial(cls, network: Network, rng: np.random.Generator) -> Parameters:
        """Draw weights and biases uniformly from +-1/sqrt(fan-in); a batch normalization starts with ones and zeros."""
        parameters = cls.zeros(network)
        for name, values in parameters.named.items():
            weight = parameters.named[name.partition(".")[0] + ".weight"]
            if weight.ndim == 1:
                values[...] = 1 if values is weight else 0
                continue
            limit = 1 / np.sqrt(prod(weight.shape[1:]))
            values[...] = rng.uniform(-limit, limit, values.shape)
        return parameters

    @property
    def tensors(self) -> dict[str, Floats]:
        """The parameters and the buffers by name: all that inference needs."""
        return {**self.named, **self.buffers.named}

    def in_float64(self, network: Network) -> Parameters:
        """Return a copy in float64, for the references."""
        flat: Any = self.flat.astype(np.float64)
        buffers = Buffers.over(self.buffers.flat.astype(np.float64), network)
        return Parameters(flat, _views(flat, network.parameter_shapes), buffers)


def _total(shapes: Mapping[str, Shape]) -> int:
    return sum(map(prod, shapes.values()))


def _views(flat: Floats, shapes: Mapping[str, Shape]) -> dict[str, Floats]:
    """Return consecutive parts of a flat array, by name and in these shapes."""
    named, start = {}, 0
    for name, shape in shapes.items():
        named[name] = flat[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    return named
