"""The errors of the public functions, raised before anything is computed."""

from typing import Any


class KernelsError(Exception):
    """Base of every error that ``kernels`` raises; its text names the argument, what came and what is needed."""


class ShapeError(KernelsError, ValueError):
    """A shape does not fit the operation or another argument."""


class OptionError(KernelsError, ValueError):
    """The value of an option, of ``out`` or of a label is not one the operation takes."""


class DtypeError(KernelsError, TypeError):
    """An argument is not an array of a supported dtype."""


class DeviceUnavailable(KernelsError, RuntimeError):  # noqa: N818 - the public name
    """The device asked for is not there; the text says what would bring it."""


def shown(value: Any) -> str:
    """Return the repr of what a caller passed, on one line."""
    return " ".join(repr(value).split())
