"""The errors of the public functions, raised before any computation."""

from typing import Any


class KernelsError(Exception):
    """Base class of all errors of ``kernels``; the message names the argument, the value received and the one required."""


class ShapeError(KernelsError, ValueError):
    """A shape does not fit the operation or another argument."""


class OptionError(KernelsError, ValueError):
    """The value of an option, of ``out`` or of a label is not valid for the operation."""


class DtypeError(KernelsError, TypeError):
    """An argument is not an array of a supported dtype."""


class DeviceUnavailable(KernelsError, RuntimeError):  # noqa: N818 - the public name
    """The requested device is not available; the message says how to make it available."""


class SettingError(KernelsError, ImportError):
    """An environment variable has a value without meaning; ``import kernels`` raises it."""


def shown(value: Any) -> str:
    """Return the repr of a value, on one line."""
    return " ".join(repr(value).split())
