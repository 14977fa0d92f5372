"""How long to train where the user does not say, and what to say about the result."""

from workbench.datasets import Dataset
from workbench.network.divergence import chance_of, is_at_chance
from workbench.system.errors import InputError

EPOCHS, BATCH_SIZE = 5, 64

LEAST_STEPS = 500
"""Where an epoch has few steps, there are as many epochs as make this many: LeNet stays at chance for some hundred steps."""

FEW_STEPS = 2 * LEAST_STEPS
"""Up to this many steps, a network at chance may need more of them rather than another learning rate."""


def duration(epochs: int | None, batch_size: int | None, samples: int) -> tuple[int, int]:
    """Return epochs and batch size for a number of training samples; None means the default.

    Raises
    ------
    InputError
        The batch is larger than the data set.
    """
    if batch_size is None:
        batch_size = min(BATCH_SIZE, samples)
    elif batch_size > samples:
        raise InputError(
            f"--batch-size {batch_size}: larger than the {samples:,} training images; use at most {samples}"
        )
    if epochs is None:
        epochs = max(EPOCHS, -(-LEAST_STEPS // steps_of(samples, batch_size)))
    return epochs, batch_size


def steps_of(samples: int, batch_size: int) -> int:
    """Return the steps of an epoch; the last one may have fewer samples."""
    return -(-samples // batch_size)


def warning_of(dataset: Dataset, test_accuracy: float, train_accuracy: float, steps: int) -> str:
    """Return a warning if a network has not learned after ``steps`` steps: its accuracies are at chance; else ""."""
    if not is_at_chance(test_accuracy, dataset.test_labels):
        return ""
    if not is_at_chance(train_accuracy, dataset.train_labels):
        return ""
    remedy = "train longer with --epochs" if steps < FEW_STEPS else "try a smaller --lr or another --model"
    return (
        f"the network has not learned: its test accuracy {test_accuracy:.2%} is no better than chance (one class for "
        f"all images gives {chance_of(dataset.test_labels):.2%}) after {steps:,} steps; {remedy}"
    )
