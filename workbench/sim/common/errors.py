"""Errors that a launch in the simulator may raise."""

from dataclasses import dataclass
from typing import Literal, get_args

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
    "dangling",
    "misaligned",
]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of hazard, in the order of the runtime's numbers."""


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """A fault of a kernel.

    Attributes
    ----------
    kind : the kind of hazard
    kernel : the launched kernel's name
    sites : the places in the source, in the order that the report names them
    summary : one line on the fault
    text : the report, several lines
    tolerated : why GPUs tolerate it; empty if they do not. Such hazards alone do not fail a launch
    """

    kind: Kind
    kernel: str
    sites: tuple[Site, ...]
    summary: str
    text: str
    tolerated: str = ""

    @property
    def is_warning(self) -> bool:
        """Whether GPUs tolerate it."""
        return bool(self.tolerated)

    @property
    def lines(self) -> tuple[int, ...]:
        """The line numbers of the places."""
        return tuple(site.line for site in self.sites)


class HazardWarning(UserWarning):
    """A simulated launch did what GPUs tolerate, though CUDA forbids it or it is seldom meant.

    Attributes
    ----------
    hazard : what it did
    """

    def __init__(self, hazard: Hazard) -> None:
        super().__init__(hazard.text)
        self.hazard = hazard


class KernelHazard(Exception):  # noqa: N818 - CUDA's tools call it a hazard
    """A simulated launch had hazards, whatever it computed.

    Attributes
    ----------
    hazards : the hazards, in the order found
    """

    def __init__(self, hazards: tuple[Hazard, ...]) -> None:
        super().__init__("\n\n".join(hazard.text for hazard in hazards))
        self.hazards = hazards
