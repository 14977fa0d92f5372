"""The data set record, and the checks and conversions that its sources share."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.split import stratified_split
from workbench.pictures import images as pictures
from workbench.system.errors import InputError
from workbench.system.machine import memory_bytes

Images = NDArray[np.uint8 | np.float32]

MAX_CLASSES = 10_000
MAX_BYTES = 8 * 2**30
MAX_SIDE = 2**16
"""The largest height or width of an image."""

# Images resized at a time: enough to be fast, few enough that the temporaries do not matter.
_BATCH = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images, in a training part and a test part. The arrays are read-only.

    Images are (N, C, H, W), uint8 in 0..255 or float32 in 0..1; C, H and W are the same in both parts. Labels are
    (N,) int64, indices into ``classes``. The notes say, a line each, what a user should know about how the data were read.
    """

    name: str
    train_images: Images
    train_labels: NDArray[np.int64]
    test_images: Images
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("train_images", "train_labels", "test_images", "test_labels"):
            view = getattr(self, field).view()
            view.flags.writeable = False
            object.__setattr__(self, field, view)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return int(self.train_images.shape[1])

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.train_images.shape[2:]
        return height, width


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One part of numbered data as read: images (N, C, H, W), labels (N,) of any integer dtype.

    The names identify the arrays in error messages: a file, or an array in a file.
    """

    images: Images
    labels: NDArray[np.integer]
    images_name: str
    labels_name: str

    def take(self, indices: NDArray[np.intp]) -> "Part":
        """Return a part with the images at these indices, (M,)."""
        return dataclasses.replace(self, images=self.images[indices], labels=self.labels[indices])

    def check(self) -> None:
        """Raise InputError if there are no images, images and labels do not match, or a label is out of range."""
        if self.images.size == 0:
            raise InputError(f"{self.images_name}: holds no images (shape {_times(self.images.shape)})")
        if len(self.images) != len(self.labels):
            raise InputError(
                f"{self.labels_name}: {len(self.labels):,} labels for the {len(self.images):,} images "
                f"of {self.images_name}; every image needs one"
            )
        if self.labels.min() < 0:
            raise InputError(f"{self.labels_name}: label {self.labels.min()} is negative; number the classes from 0")
        if self.labels.max() >= MAX_CLASSES:
            raise InputError(
                f"{self.labels_name}: label {self.labels.max()}, but at most {MAX_CLASSES:,} classes are supported; "
                "number the classes from 0"
            )


def from_numbered(name: str, train: Part, test: Part | None, seed: int = 0, notes: tuple[str, ...] = ()) -> Dataset:
    """Check data with classes numbered 0..K-1 and return a data set; without ``test``, split ``train`` 80/20.

    Raises
    ------
    InputError
        A part is empty or inconsistent, the two do not match, or there is only one class.
    """
    train.check()
    count = int(train.labels.max()) + 1
    classes = tuple(str(number) for number in range(count))
    notes += _empty_classes(train, count)
    if train.labels.min() == train.labels.max():
        raise InputError(f"{train.labels_name}: a single class, {count - 1}; there is nothing to learn")
    if test is None:
        _, channels, *size = train.images.shape
        remedy = "add a test part, for which they need not be copied"
        check_bytes(train.images_name, len(train.images), channels, tuple(size), train.images.itemsize, remedy)
        kept, held = stratified_split(train.labels, classes, train.labels_name, seed)
        train, test = train.take(kept), train.take(held)
    test.check()
    if test.images.shape[1:] != train.images.shape[1:]:
        raise InputError(
            f"{test.images_name}: images of {_times(test.images.shape[1:])}, but {train.images_name} has "
            f"{_times(train.images.shape[1:])}; both parts need the same"
        )
    if test.labels.max() >= count:
        raise InputError(
            f"{test.labels_name}: label {test.labels.max()} is unknown; {train.labels_name} ends at {count - 1}"
        )
    return Dataset(
        name=name,
        train_images=train.images,
        train_labels=train.labels.astype(np.int64),
        test_images=test.images,
        test_labels=test.labels.astype(np.int64),
        classes=classes,
        notes=notes,
    )


def _empty_classes(train: Part, count: int) -> tuple[str, ...]:
    """Return a note on the classes that no training image has, if there are any."""
    empty = np.flatnonzero(np.bincount(train.labels.astype(np.int64), minlength=count) == 0).tolist()
    if not empty:
        return ()
    first = int(train.labels.min())
    listed = ", ".join(map(str, empty[:6])) + ", ..." * (len(empty) > 6)
    stay = f"class {listed} stays empty" if len(empty) == 1 else f"classes {listed} stay empty"
    if first == 0:
        return (f"{train.labels_name}: {stay}, no training image has such a label",)
    return (f"{train.labels_name}: the labels start at {first}, so {stay}; subtract {first} to number them from 0",)


def fit(dataset: Dataset, image_size: tuple[int, int] | None, channels: int) -> Dataset:
    """Resize images to (height, width) and convert them to grey (1) or RGB (3); return the same data set if it fits."""
    if max(dataset.image_size) > MAX_SIDE:
        raise InputError(
            f"{dataset.name}: images of {_times(dataset.image_size)}; at most {MAX_SIDE:,} pixels a side are supported"
        )
    size = image_size or dataset.image_size
    if size == dataset.image_size and channels == dataset.channels:
        return dataset
    return dataclasses.replace(
        dataset,
        train_images=_fit(dataset.train_images, size, channels, dataset.name),
        test_images=_fit(dataset.test_images, size, channels, dataset.name),
    )


def _fit(images: Images, size: tuple[int, int], channels: int, name: str) -> Images:
    check_bytes(name, len(images), channels, size, images.itemsize)
    result = np.empty((len(images), channels, *size), dtype=images.dtype)
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        grey_if_any = pictures.to_channels(batch, min(channels, batch.shape[1]))
        result[start : start + _BATCH] = pictures.resize(grey_if_any, size)  # grey is broadcast to RGB
    return result


def check_bytes(
    name: str,
    count: int,
    channels: int,
    size: tuple[int, ...],
    itemsize: int = 1,
    remedy: str = "use a smaller image size",
) -> None:
    """Raise InputError if the images would not fit in memory, rather than have the process killed later."""
    needed, most = count * channels * size[0] * size[1] * itemsize, min(MAX_BYTES, memory_bytes())
    if needed > most:
        raise InputError(
            f"{name}: {count:,} images of {_times((channels, *size))} would take {needed / 2**30:,.0f} GiB "
            f"(at most {most // 2**30} are allowed here); {remedy}"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)
