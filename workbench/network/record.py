"""The schema of run.json, for writing and for reading."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from workbench.datasets import MAX_CLASSES, MAX_SIDE

SCHEMA: Literal[1] = 1

Count = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(max_length=4096)]
Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0)]
ShareOfBound = float | Literal["inf"]


class RunConfig(TypedDict):
    """The settings of ``workbench train``, and properties of the data; the fields that are read back are required."""

    model: Annotated[str, Meta(max_length=2**20)]
    spec: Annotated[str, Meta(max_length=2**20)]
    data: Text
    epochs: NotRequired[Count]
    batch_size: NotRequired[Count]
    optimizer: NotRequired[Text]
    lr: NotRequired[NotNegative]
    momentum: NotRequired[Share]
    nesterov: NotRequired[bool]
    weight_decay: NotRequired[NotNegative]
    schedule: NotRequired[Text]
    warmup: NotRequired[Annotated[int, Meta(ge=0)]]
    label_smoothing: NotRequired[Share]
    ema: NotRequired[Share]
    augment: NotRequired[Text | None]
    validation: NotRequired[Share]
    patience: NotRequired[Count | None]
    checkpoint_every: NotRequired[Count | None]
    tensorboard: NotRequired[bool]
    seed: Annotated[int, Meta(ge=0)]
    image_size: tuple[Annotated[int, Meta(ge=1, le=MAX_SIDE)], Annotated[int, Meta(ge=1, le=MAX_SIDE)]]
    channels: Literal[1, 3]
    classes: Annotated[list[Text], Meta(min_length=1, max_length=MAX_CLASSES)]
    preparation: Literal["mnist", "resize"]
    device: NotRequired[Text]
    executor: NotRequired[Text]
    threads: NotRequired[Count]
    kernels: NotRequired[list[Text]]


class EpochRecord(TypedDict):
    """One epoch; see ``loop.Epoch``."""

    epoch: Count
    train_loss: float
    train_accuracy: Share
    test_loss: float
    test_accuracy: Share
    seconds: NotNegative
    eval_seconds: NotNegative
    learning_rate: NotRequired[NotNegative]
    validation_loss: NotRequired[float]
    validation_accuracy: NotRequired[Share]


class ModelRecord(TypedDict):
    """Which weights are in model.safetensors: those after an epoch, as they are or averaged."""

    epoch: Count
    chosen_by: Literal["validation accuracy", "last epoch"]
    averaged: bool


class LeftRecord(TypedDict):
    """The first step, from 1, after which rounding does not explain the difference of the weights, and the cause."""

    step: Count
    layer: Text
    kernel: Text
    result: Text
    share_of_bound: ShareOfBound


class LayerErrorRecord(TypedDict):
    """The errors of a layer, or of the loss, as shares of the a-priori bounds: of its outputs and its gradients."""

    layer: Text
    output: ShareOfBound
    gradient: ShareOfBound


class ErrorsRecord(TypedDict):
    """The errors of all layers in step 1, or after the last step; ``built_in`` is None if the built-in run had diverged."""

    step: Count
    yours: list[LayerErrorRecord]
    built_in: list[LayerErrorRecord] | None


class BesideRecord(TypedDict):
    """The comparison of a run with users' kernels and the built-in run beside it.

    ``compared_steps`` is the last step whose results were compared; up to it, they differ by ``worst_share`` of what
    rounding explains. ``epochs`` are those of the built-in run, ``diverged`` says how it ended if it did.
    """

    left: LeftRecord | None
    compared_steps: Annotated[int, Meta(ge=0)]
    worst_share: NotNegative
    weights_difference: NotNegative | None
    first: ErrorsRecord | None
    last: ErrorsRecord | None
    epochs: list[EpochRecord]
    diverged: Text | None


class RunRecord(TypedDict):
    """The content of run.json."""

    schema: Literal[1]
    config: RunConfig
    parameters: NotRequired[Count]
    machine: NotRequired[dict[str, Any]]
    versions: NotRequired[dict[str, str]]
    executor: Text
    executor_reason: NotRequired[str]
    first_step_seconds: NotRequired[float | None]
    model: NotRequired[ModelRecord | None]
    stopped: NotRequired[Literal["patience"] | None]
    epochs: NotRequired[list[EpochRecord]]
    beside: NotRequired[BesideRecord]
