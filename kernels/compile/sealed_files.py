"""Files of the compile cache that carry a digest of their contents: a damaged one counts as absent."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_DIGEST_BYTES = hashlib.sha256().digest_size


def write_sealed(path: Path, contents: bytes) -> None:
    """Write a file in one step, so that another process never sees a part of it; do nothing if it cannot be written."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(contents).digest() + contents)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def read_sealed(path: Path) -> bytes | None:
    """Return the contents of a file; None if it is absent or damaged. A damaged file is removed."""
    try:
        found = path.read_bytes()
    except OSError:
        return None
    digest, contents = found[:_DIGEST_BYTES], found[_DIGEST_BYTES:]
    if hashlib.sha256(contents).digest() == digest:
        return contents
    with suppress(OSError):
        path.unlink()
    return None
