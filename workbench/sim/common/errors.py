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
    is_warning : whether GPUs since Volta tolerate it; such hazards alone do not fail a launch
    """

    kind: Kind
    kernel: str
    sites: tuple[Site, ...]
    summary: str
    text: str
    is_warning: bool = False

    @property
    def lines(self) -> tuple[int, ...]:
        """The line numbers of the places."""
        return tuple(site.line for site in self.sites)


TOLERATED = (
    "GPUs since compute capability 7.0 do not wait for threads that have returned, older ones may hang: a warning, unless "
    "strict=True or --strict is given"
)


class HazardWarning(UserWarning):
    """A simulated launch did what CUDA forbids, but GPUs since Volta tolerate.

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
