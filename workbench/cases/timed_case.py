"""A case to be timed, and the derivation of the backward case from the forward case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernels import OPS
from kernels.declare.op import Op, Shape
from kernels.declare.shapes import normal_options
from workbench.sampling import Arrays, Case
from workbench.sampling.memory import check_memory


@dataclass(frozen=True, kw_only=True)
class BenchCase:
    """A case to be timed: an operation, the shapes of its inputs, its options in normal form."""

    name: str
    op: str
    shapes: dict[str, Shape]
    options: dict[str, Any]

    def sampled(self, dtype: str, family: str = "normal", seed: int = 0) -> Case:
        """Return the case with values."""
        return Case(op=self.op, dtype=dtype, shapes=self.shapes, options=self.options, family=family, seed=seed)

    def arrays(self, dtype: str, family: str = "normal", seed: int = 0) -> Arrays:
        """Return the inputs."""
        return self.sampled(dtype, family, seed).arrays()


def bench_case(name: str, op: Op, shapes: Mapping[str, Shape], options: Mapping[str, Any]) -> BenchCase:
    """Make a case; ``options`` are as for the public function.

    Raises
    ------
    KernelsError
        Shapes or options do not fit the operation.
    """
    return BenchCase(name=name, op=op.name, shapes=dict(shapes), options=normal_options(op, options, shapes))


def check_size(case: BenchCase, name: str) -> None:
    """Raise InputError if the arrays of a case do not fit into memory; ``name`` says where it comes from."""
    check_memory(OPS[case.op], case.shapes, case.options, "float32", name)


def backward_of(case: BenchCase) -> BenchCase | None:
    """Return the case of the backward pass, which has the same name; None if the operation has none."""
    forward = OPS[case.op]
    if forward.backward is None:
        return None
    backward = OPS[forward.backward]
    outputs = dict(zip(forward.outputs, forward.output_shapes(case.shapes, case.options), strict=True))
    known = {"dy": outputs[forward.outputs[0]], **outputs, **case.shapes}
    shapes = {item.name: known[item.name] for item in backward.inputs}
    return BenchCase(name=case.name, op=backward.name, shapes=shapes, options=case.options)


def forward_of(op: Op) -> Op | None:
    """Return the operation that ``op`` is the backward pass of; None if there is none."""
    return next((each for each in OPS.values() if each.backward == op.name), None)
