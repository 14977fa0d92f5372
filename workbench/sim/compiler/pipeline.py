"""Numba's compiler for the simulator, with passes that replace Numba's functions and lowering by the simulator's."""

from typing import Any

from workbench.numba_internals.compiling import (
    BaseNativeLowering,
    CompilerBase,
    DefaultPassBuilder,
    Dispatcher,
    FunctionPass,
    InlineClosureLikes,
    IRProcessing,
    NativeLowering,
    register_pass,
)
from workbench.numba_internals.representation import build_definitions, ir
from workbench.sim.common import facts
from workbench.sim.common.modes import Mode
from workbench.sim.compiler.capturing import captured, number_of, read_captured
from workbench.sim.compiler.lowering import PlainLower, WatchedLower
from workbench.sim.compiler.substitution import substitute
from workbench.sim.compiler.undefined import follow
from workbench.sim.language import CUDA
from workbench.sim.language.thread_indices import lane_id


@register_pass(mutates_CFG=False, analysis_only=False)
class Substitute(FunctionPass):  # type: ignore[misc]
    """Replaces the functions of ``numba.cuda`` by the simulator's."""

    _name = "workbench_sim_substitute"
    mode = Mode.WATCHED

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """See FunctionPass."""
        cuda: set[str] = set()
        known = facts.of(state.func_id.func)
        for block in state.func_ir.blocks.values():
            for place, statement in enumerate(block.body):
                if not isinstance(statement, ir.Assign):
                    continue
                old = statement.value
                if isinstance(old, ir.Global | ir.FreeVar):
                    capture = captured(old.name, old.value)
                    if capture is not None:
                        known.captures.append(capture)
                        _call(block, place, read_captured, number_of(capture))
                        continue
                    new = substitute(old.value, COMPILERS[self.mode])
                    if new is CUDA:
                        cuda.add(statement.target.name)
                    if isinstance(new, Dispatcher):
                        known.calls.add(new.py_func)
                    if new is not old.value:
                        block.body[place] = ir.Assign(
                            ir.Global(old.name, new, old.loc), statement.target, statement.loc
                        )
                elif _is_lane(old, cuda):
                    _call(block, place, lane_id)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstitutePlain(Substitute):
    """The pass for kernels whose accesses are not recorded."""

    _name = "workbench_sim_substitute_plain"
    mode = Mode.PLAIN


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteFollowed(Substitute):
    """The pass for kernels whose undefined values are followed."""

    _name = "workbench_sim_substitute_followed"
    mode = Mode.FOLLOWED


@register_pass(mutates_CFG=False, analysis_only=False)
class FollowUndefined(FunctionPass):  # type: ignore[misc]
    """Follows undefined shuffle values to the stores that write them."""

    _name = "workbench_sim_follow_undefined"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """See FunctionPass."""
        follow(state.func_ir)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class WatchedLowering(BaseNativeLowering):  # type: ignore[misc]
    """Lowers with WatchedLower."""

    _name = "workbench_sim_lowering"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return WatchedLower


@register_pass(mutates_CFG=True, analysis_only=False)
class PlainLowering(BaseNativeLowering):  # type: ignore[misc]
    """Lowers with PlainLower."""

    _name = "workbench_sim_lowering_plain"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return PlainLower


class WatchedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with the simulator's passes."""

    passes: tuple[type, type] = (Substitute, WatchedLowering)
    follows = False

    def define_pipelines(self) -> list[Any]:
        """See CompilerBase."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        substitute, lowering = self.passes
        manager.add_pass_after(substitute, IRProcessing)
        if self.follows:
            manager.add_pass_after(FollowUndefined, InlineClosureLikes)
        manager.add_pass_after(substitute, InlineClosureLikes)
        for place, (each, text) in enumerate(manager.passes):
            if each is NativeLowering:
                manager.passes[place] = (lowering, text)
        manager.finalize()
        return [manager]


class PlainCompiler(WatchedCompiler):
    """The compiler for kernels whose accesses are not recorded."""

    passes = (SubstitutePlain, PlainLowering)


class FollowedCompiler(WatchedCompiler):
    """The compiler for kernels whose undefined values are followed."""

    passes = (SubstituteFollowed, WatchedLowering)
    follows = True


COMPILERS: dict[Mode, type[WatchedCompiler]] = {
    Mode.PLAIN: PlainCompiler,
    Mode.WATCHED: WatchedCompiler,
    Mode.FOLLOWED: FollowedCompiler,
}


def _is_lane(value: Any, cuda: set[str]) -> bool:
    return isinstance(value, ir.Expr) and value.op == "getattr" and value.value.name in cuda and value.attr == "laneid"


def _call(block: Any, place: int, function: Any, *numbers: int) -> None:
    """Let a statement assign a function's result, computed when the kernel runs it, instead of a constant."""
    statement = block.body[place]
    target, loc = statement.target, statement.loc
    called = ir.Var(block.scope, f"${target.name}.function", loc)
    given = [ir.Var(block.scope, f"${target.name}.{number}", loc) for number in numbers]
    block.body[place : place + 1] = [
        ir.Assign(ir.Global(function.__name__, function, loc), called, loc),
        *(ir.Assign(ir.Const(number, loc), var, loc) for number, var in zip(numbers, given, strict=True)),
        ir.Assign(ir.Expr.call(called, given, (), loc), target, loc),
    ]
