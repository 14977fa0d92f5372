"""Run the CUDA implementations of targets in the simulator, and count what their launches do."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from kernels import OPS, Implementation
from kernels.memory.devices import get_device
from workbench.cases import BenchCase, named_cases, parse_case
from workbench.inspecting.cuda.targets import example_case, implementations_of
from workbench.sampling.restriction import Restriction
from workbench.sim import KernelHazard, LaunchCounters, counting, simulator
from workbench.system.errors import InputError, first_line
from workbench.system.progress import compile_notices
from workbench.system.render import message_console
from workbench.target.command_device import SIM
from workbench.target.resolve import Target

MOST_THREADS = 1 << 17
"""Of a launch of more threads only the recorded blocks are simulated."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An implementation, and the counters of its launches.

    Attributes
    ----------
    op, implementation : their names
    dtype, case : of the arrays: the precision, and the named case or the shapes
    launches : the counters of the launches, in their order
    hazard : why the launches after these were not counted; "" if all were
    """

    op: str
    implementation: str
    dtype: str
    case: str
    launches: tuple[LaunchCounters, ...]
    hazard: str


def count(targets: Iterable[Target], dtype: str, case: str | None) -> list[Counted]:
    """Count the launches of every CUDA implementation of the targets; files are imported here.

    Parameters
    ----------
    targets : operations, whose built-in kernels are meant, and files
    dtype : "float32" or "float64", of the arrays
    case : a named case or shapes, as for ``bench``; None: the first named case that an implementation accepts

    Raises
    ------
    InputError
        A target has nothing for CUDA; the case is not one of its operation; a kernel cannot be simulated.
    """
    with simulator(), compile_notices(message_console()):
        found = (each for target in targets for each in implementations_of(target, nullcontext))
        return [_counted(each, only, dtype, case) for each, only in found]


def _counted(each: Implementation, only: Restriction, dtype: str, text: str | None) -> Counted:
    case = example_case(each, only, dtype) if text is None else _case(each, dtype, text)
    op, device = OPS[each.op], get_device(SIM.kind)
    inputs = [device.from_host(array) for array in case.arrays(dtype).values()]
    sizes = list(zip(op.output_shapes(case.shapes, case.options), op.dtypes_of_outputs(dtype), strict=True))
    outputs = [device.from_host(np.zeros(*size)) for size in each.of_outputs(op.outputs, sizes)]
    hazard = ""
    with counting(MOST_THREADS) as found:
        try:
            each.function(*inputs, *op.option_values(case.options), *outputs)
            device.synchronize()
        except KernelHazard as reason:
            hazard = str(reason)
        except (TypeError, RuntimeError, ValueError) as reason:
            raise InputError(f"{each.name}: the simulator cannot run it: {first_line(reason)}") from reason
    if not found and not hazard:
        raise InputError(f"{each.name}: launches no CUDA kernel on {case.name}")
    return Counted(
        op=each.op, implementation=each.name, dtype=dtype, case=case.name, launches=tuple(found), hazard=hazard
    )


def _case(each: Implementation, dtype: str, text: str) -> BenchCase:
    """Return a named case of an implementation's operation, or the case that a text describes."""
    found = next((case for case in named_cases(each.op) if case.name == text), None)
    if found is None:
        if "=" not in text:
            known = ", ".join(dict.fromkeys(case.name for case in named_cases(each.op)))
            raise InputError(f"--case {text}: {each.op} has no case of this name; it has {known or 'none'}")
        found = parse_case(OPS[each.op], text)
    if not each.accepts(found.shapes, found.options, dtype):
        raise InputError(f"--case {text}: {each.name} does not accept it")
    return found
