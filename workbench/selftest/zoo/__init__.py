"""The zoo: kernels with one planted fault each, mistakes as programmers make them. The checker must catch every one.

Each has the calling convention ``fn(*inputs, *options, *outputs)`` and is right except for its fault. ``faults.toml`` lists
those for the CPU, as edits of the references.
"""

import tomllib
from importlib.resources import files

from workbench.selftest.zoo import cuda
from workbench.selftest.zoo._planting import COMPILERS, Faulty, planted

__all__ = ["Faulty", "zoo"]


def zoo() -> tuple[Faulty, ...]:
    """Return every faulty kernel, newly built; those for CUDA only if numba-cuda is installed."""
    text = files(__name__).joinpath("faults.toml").read_text(encoding="utf-8")
    on_cpu = (
        Faulty(
            entry["op"],
            entry["fault"],
            entry["what"],
            COMPILERS[entry.get("compiled", "serial")],
            change=dict(entry["edits"]),
            device="cpu",
        )
        for entry in tomllib.loads(text)["fault"]
    )
    return (*on_cpu, *(planted(cuda.FAULTS, device="cuda") if cuda.INSTALLED else ()))
