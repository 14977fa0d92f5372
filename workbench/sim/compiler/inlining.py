"""Inline the device functions that ask for it, as numba-cuda does: their local arrays then live as long as the caller's."""

from collections.abc import Callable
from typing import Any

from workbench.numba_internals.compiling import InlineInlinables, register_pass
from workbench.numba_internals.errors import UnsupportedError
from workbench.sim.common import naming

_open: list[Callable[..., Any]] = []
"""The function being compiled, and those being inlined into it."""


@register_pass(mutates_CFG=True, analysis_only=False)
class InlineDeviceFunctions(InlineInlinables):  # type: ignore[misc]
    """Inlines functions, with the simulator's passes for their bodies."""

    _name = "workbench_sim_inline"

    def run_pass(self, state: Any) -> bool:
        """See FunctionPass."""
        function = state.func_id.func
        if function in _open:
            raise UnsupportedError(
                f"{function.__name__} calls itself and cannot be inlined; remove inline", loc=state.func_ir.loc
            )
        if _open:
            naming.note_inlined(state.func_id.unique_name)
        _open.append(function)
        try:
            return bool(super().run_pass(state))
        finally:
            _open.pop()

    def _do_work(self, state: Any, work_list: Any, block: Any, place: int, call: Any, worker: Any) -> Any:
        worker._compiler_pipeline = state.pipeline.untyped_passes
        return super()._do_work(state, work_list, block, place, call, worker)
