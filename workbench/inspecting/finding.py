"""A finding of an inspection."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One reason that makes a kernel slow.

    Attributes
    ----------
    kind : a word for it, "float64" for instance
    file, line : the source line that it comes from; 0 where the machine code does not say
    what : one sentence on what the machine code does there
    remedy : the usual fix, one sentence
    """

    kind: str
    file: str
    line: int
    what: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)
