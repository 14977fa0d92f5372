"""The assertion for users' test suites: ``assert_matches_reference`` is ``workbench check`` as one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernels import Op
    from workbench.target.binding import UserKernel
    from workbench.target.command_device import CommandDevice
    from workbench.target.launch import Extent

EXAMPLES = 100


def assert_matches_reference(
    fn: Callable[..., Any],
    op: str | Op,
    *,
    device: str | None = None,
    dtype: str | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
    replay: str | None = None,
    grid: Extent | None = None,
    block: Extent | None = None,
    shared: int | Callable[..., int] = 0,
    accumulate: str | None = None,
    when: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Assert that a kernel agrees with an operation's reference on generated cases.

    It runs in this process: a kernel that crashes or hangs affects the process (with ``workbench check`` it does not).

    Parameters
    ----------
    fn : a Python function, which may be a closure, or the result of @njit, @cuda.jit, @vectorize, @guvectorize or
        @stencil. Its parameters are names of the operation's inputs, options and outputs.
    op : the operation's name, or an ``Op``
    device : "cpu", "python" (the body uncompiled), "cuda" or "sim"; None: derived from the kernel
    dtype : "float32" or "float64"; None: both
    examples, seed : the number of cases, and their seed; the same seed draws the same cases
    replay : the token of a failure: only that case is run
    grid, block, shared, accumulate, when, names : as for ``workbench.implements``

    Raises
    ------
    AssertionError
        A case fails; the message is the report of ``workbench check``.
    InputError
        The kernel does not bind, or the device is not available.
    """
    __tracebackhide__ = True
    from workbench.checking import InProcess, check, check_case, check_report, users
    from workbench.checking.subjects import passes_of
    from workbench.sampling import DTYPES, Case
    from workbench.system.errors import InputError
    from workbench.target.command_device import DEVICES
    from workbench.target.decorator import make_kernel
    from workbench.target.description import has_body

    if dtype not in (None, *DTYPES) or examples < 1:
        raise InputError(
            f"dtype {dtype!r}, examples {examples!r}; needs float32, float64 or None, and at least 1 example"
        )
    asked = DEVICES.get(str(device))
    kernel = make_kernel(
        fn,
        op,
        device=asked.kind if asked else device,
        accumulate=accumulate,
        when=when,
        names=names,
        grid=grid,
        block=block,
        shared=shared,
    )
    label = _device(kernel, asked).name
    subject = users(kernel, label)
    runner, passes = InProcess(subject), passes_of(has_body(kernel), label)
    if replay is not None:
        results = [check_case(subject, runner, Case.from_token(replay), passes)]
    else:
        results = [
            check(subject, runner, dtype=each, examples=examples, seed_value=seed, passes=passes)
            for each in (DTYPES if dtype is None else (dtype,))
        ]
    rows = [result.to_json() for result in results]
    failures = [
        check_report.failure(row, "assert_matches_reference(..., replay={!r})")
        for row in rows
        if row["status"] == "fail"
    ]
    if failures:
        raise AssertionError("\n\n".join(failures))
    if all(row["status"] == "skipped" for row in rows):
        raise AssertionError(f"{kernel.name}: nothing was checked: {rows[0]['reason']}")


def _device(kernel: UserKernel, asked: CommandDevice | None) -> CommandDevice:
    """Return the device to run a kernel on; for CUDA that of this process, a GPU or the simulator."""
    from kernels.memory.devices import get_device
    from workbench.system.errors import InputError
    from workbench.system.machine import in_simulator
    from workbench.target.command_device import CPU, CUDA, SIM

    if kernel.device == CPU.kind:
        return asked or CPU
    get_device(kernel.device)
    here = SIM if in_simulator() else CUDA
    if asked is not None and asked != here:
        other = "set NUMBA_ENABLE_CUDASIM=1 before Numba is imported" if asked == SIM else "unset NUMBA_ENABLE_CUDASIM"
        raise InputError(f"device {asked.name!r} is not what this process has; {other}")
    return here
