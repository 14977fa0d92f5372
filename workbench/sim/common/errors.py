"""What a launch in the simulator may end with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.sim.common.sites import Site

Kind = Literal[
    "race",
    "uninitialised",
    "out-of-bounds",
    "divergent-barrier",
    "absent-lane",
    "deadlock",
    "limit",
    "exception",
    "stack",
]

KINDS: tuple[Kind, ...] = (
    "race",
    "uninitialised",
    "out-of-bounds",
    "divergent-barrier",
    "absent-lane",
    "deadlock",
    "limit",
    "exception",
    "stack",
)
"""In the order of the runtime's numbers."""


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """Something that a kernel must not do.

    Attributes
    ----------
    kind : what
    kernel : the launched kernel's name
    sites : the places in the source, the one that is named first first
    summary : one line
    text : the report, several lines
    """

    kind: Kind
    kernel: str
    sites: tuple[Site, ...]
    summary: str
    text: str

    @property
    def lines(self) -> tuple[int, ...]:
        """The lines of the places."""
        return tuple(site.line for site in self.sites)


class KernelHazard(Exception):  # noqa: N818 - a hazard is what CUDA's tools call it
    """A simulated launch was not right, whatever it computed.

    Attributes
    ----------
    hazards : what was found, in the order in which it was
    """

    def __init__(self, hazards: tuple[Hazard, ...]) -> None:
        super().__init__("\n\n".join(hazard.text for hazard in hazards))
        self.hazards = hazards
