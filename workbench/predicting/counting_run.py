"""Run the CUDA implementations of targets in the simulator, and count what their launches do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernels import OPS, Implementation
from kernels.declare.op import Shape
from kernels.memory.devices import get_device
from workbench.cases import BenchCase
from workbench.inspecting.cuda.targets import work_of
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
    place : its number among those that are counted
    op, implementation : their names
    dtype, case : of the arrays: the precision, and the named case or the shapes
    shapes, options : of the case
    launches : the counters of the launches, in their order; kernels of the same name have the identities 0, 1, ...
    hazard : why the launches after these were not counted; "" if all were
    """

    place: int
    op: str
    implementation: str
    dtype: str
    case: str
    shapes: dict[str, Shape]
    options: dict[str, Any]
    launches: tuple[LaunchCounters, ...]
    hazard: str


def count(targets: Iterable[Target], dtype: str, case: str | None) -> list[Counted]:
    """Count the launches of every CUDA implementation of the targets; files are imported here.

    Parameters
    ----------
    targets : operations, whose built-in kernels are meant, and files
    dtype : "float32" or "float64", of the arrays
    case : a named case, a pattern of several, or shapes, as for ``bench``; None: the first named case that an implementation
        accepts

    Raises
    ------
    InputError
        A target has nothing for CUDA; the case is not one of its operation; a kernel cannot be simulated.
    """
    with simulator(), compile_notices(message_console()):
        work = [pair for target in targets for pair in work_of(target, dtype, case, nullcontext)]
        if not work:
            raise InputError(f"--case {case}: no named case of {', '.join(each.text for each in targets)} is called so")
        return [_counted(place, *each, dtype) for place, each in enumerate(work)]


def _counted(place: int, each: Implementation, case: BenchCase, dtype: str) -> Counted:
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
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            NameError,
            AssertionError,
            OSError,
        ) as reason:  # user code
            raise InputError(f"{each.name}: raises {type(reason).__name__}: {first_line(reason)}") from reason
    if not found and not hazard:
        raise InputError(f"{each.name}: launches no CUDA kernel on {case.name}")
    return Counted(
        place=place,
        op=each.op,
        implementation=each.name,
        dtype=dtype,
        case=case.name,
        shapes=case.shapes,
        options=case.options,
        launches=tuple(_numbered(found)),
        hazard=hazard,
    )


def _numbered(launches: Sequence[LaunchCounters]) -> Iterator[LaunchCounters]:
    """Yield launches with numbers instead of identities: 0 for the first kernel of a name, 1 for another one."""
    seen: dict[str, list[int]] = {}
    for each in launches:
        own = seen.setdefault(each.kernel, [])
        if each.identity not in own:
            own.append(each.identity)
        yield replace(each, identity=own.index(each.identity))
