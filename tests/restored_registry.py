"""The registry of operations as it was, for tests that load users' files."""

from contextlib import contextmanager

from kernels.call import registry


@contextmanager
def restored_registry():
    """Restore the registry after the block."""
    operations, implementations = dict(registry.OPS), registry._implementations
    try:
        yield
    finally:
        registry.OPS.clear()
        registry.OPS.update(operations)
        registry._implementations = implementations
