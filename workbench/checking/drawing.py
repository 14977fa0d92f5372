"""Examples that depend on the seed only.

By default hypothesis also draws constants that it finds in the source of the modules that are loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants


@contextmanager
def from_the_seed_alone() -> Iterator[None]:
    """Draw without those constants inside the block, if this version of hypothesis uses them."""
    if not hasattr(providers.HypothesisProvider, "_local_constants"):
        yield
        return
    with patch.object(providers.HypothesisProvider, "_local_constants", Constants()):
        providers.CONSTANTS_CACHE.cache.clear()
        try:
            yield
        finally:
            providers.CONSTANTS_CACHE.cache.clear()
