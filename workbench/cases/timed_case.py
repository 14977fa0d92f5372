"""A case to be timed, and the derivation of the backward case from the forward case."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from kernels import OPS
from kernels.declare.op import Op, Shape
from kernels.declare.shapes import normal_options
from workbench.sampling import Arrays, Case
from workbench.system.errors import InputError
from workbench.system.machine import memory_bytes


@dataclass(frozen=True, kw_only=True)
class BenchCase:
    """A case to be timed: an operation, the shapes of its inputs, its options in normal form."""

    name: str
    op: str
    shapes: dict[str, Shape]
    options: dict[str, Any]

    def sampled(self, dtype: str, family: str = "normal") -> Case:
        """Return the case with values."""
        return Case(op=self.op, dtype=dtype, shapes=self.shapes, options=self.options, family=family, seed=0)

    def arrays(self, dtype: str, family: str = "normal") -> Arrays:
        """Return the inputs."""
        return self.sampled(dtype, family).arrays()


def bench_case(name: str, op: Op, shapes: Mapping[str, Shape], options: Mapping[str, Any]) -> BenchCase:
    """Make a case; ``options`` are as for the public function.

    Raises
    ------
    KernelsError
        Shapes or options do not fit the operation.
    """
    return BenchCase(name=name, op=op.name, shapes=dict(shapes), options=normal_options(op, options, shapes))


def check_size(case: BenchCase, name: str) -> None:
    """Raise InputError if the inputs and outputs of a case do not fit into this machine's memory.

    Parameters
    ----------
    case : the case
    name : where it comes from, for the message
    """
    op = OPS[case.op]
    shapes = [*case.shapes.values(), *op.output_shapes(case.shapes, case.options)]
    needed = sum(prod(shape) for shape in shapes) * np.dtype(np.float32).itemsize
    there = memory_bytes()
    if needed > there:
        raise InputError(
            f"{name}: {op.name} would need {needed / 2**30:,.0f} GiB for its arrays, this machine has "
            f"{there / 2**30:,.0f}; use a smaller case"
        )


def backward_of(case: BenchCase) -> BenchCase | None:
    """Return the case of the backward pass, which has the same name; None if the operation has none."""
    forward = OPS[case.op]
    if forward.backward is None:
        return None
    backward = OPS[forward.backward]
    output = forward.output_shapes(case.shapes, case.options)[0]
    known = {"dy": output, "y": output, **case.shapes}
    shapes = {item.name: known[item.name] for item in backward.inputs}
    return BenchCase(name=case.name, op=backward.name, shapes=shapes, options=case.options)


def forward_of(op: Op) -> Op | None:
    """Return the operation that ``op`` is the backward pass of; None if there is none."""
    return next((each for each in OPS.values() if each.backward == op.name), None)
