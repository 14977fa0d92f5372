"""What accompanies a training: a training beside it, and what is recorded of both."""

from collections.abc import Callable
from typing import Protocol

from workbench.network.loop import Progress


class Companion(Protocol):
    """Is called between the epochs of a training, and writes into its record."""

    def before_epoch(self, on_step: Callable[[Progress], None], save: Callable[[], None]) -> None:
        """Prepare for the next epoch, or the rest of it; after a signal, return early.

        Parameters
        ----------
        on_step : to be called with the progress of long work
        save : to be called to save the state within it
        """

    def after_epoch(self) -> None:
        """Complete the record, which is then saved."""
