"""Names of files and kernels as ASCII, which is all that NVIDIA's tools accept, and back."""

import re

_LLVM_BYTE = re.compile(r"\\([89A-F][0-9A-F])", re.IGNORECASE)
_BYTES = re.compile(r"(?:__x[0-9A-F]{2}__)+", re.IGNORECASE)


def as_ascii(text: str) -> str:
    """Return a text with every byte of its characters outside ASCII as a word, ``__xC3__`` for instance."""
    return re.sub(r"[^\x00-\x7f]", lambda found: "".join(f"__x{byte:02X}__" for byte in found[0].encode()), text)


def llvm_as_ascii(ir: str) -> str:
    r"""Return LLVM's text, in which such a byte is written as ``\C3``, with the same words in the names of files."""
    lines = (_LLVM_BYTE.sub(r"__x\1__", line) if "!DIFile(" in line else line for line in ir.split("\n"))
    return "\n".join(lines)


def from_ascii(text: str) -> str:
    """Return a text with such words as the characters that they stand for."""
    return _BYTES.sub(lambda found: bytes.fromhex(found[0].replace("__x", "").replace("__", "")).decode(), text)
