"""JSON files that are read back: validated once, against a schema."""

from pathlib import Path
from typing import TypeVar

import msgspec

from workbench.system.errors import InputError
from workbench.system.files import read_regular

Document = TypeVar("Document")

MOST_BYTES = 2**28
"""The most bytes of a document; those of the workbench have some thousands."""


def read_document(
    path: Path, schema: type[Document], remedy: str, *, name: str | None = None, fault: str = "damaged"
) -> Document:
    """Read a JSON file and return it as the schema describes it; fields that the schema does not have are left out.

    Parameters
    ----------
    path
        The file.
    schema
        A type that ``msgspec`` decodes, such as a TypedDict with annotated limits.
    remedy
        What to do about a file that does not match.
    name
        The name of the file in error messages; None for its path.
    fault
        What is said of a file that does not match.

    Raises
    ------
    InputError
        The file cannot be read, is not JSON, or does not match the schema; the message names the place in the file.
    """
    name = str(path) if name is None else name
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); {remedy}") from error
    try:
        return msgspec.json.decode(content, type=schema)
    except msgspec.ValidationError as error:
        reason, place = told(error)
        raise InputError(f"{name}: {fault}: at {place}: {reason}; {remedy}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {fault} ({error}); {remedy}") from error
    except RecursionError as error:
        raise InputError(f"{name}: {fault} (nested too deeply); {remedy}") from error


def told(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return what does not match a schema, and the place, such as "$.config.seed"."""
    reason, _, place = str(error).partition(" - at `")
    return reason[:1].lower() + reason[1:], place.rstrip("`") or "$"
