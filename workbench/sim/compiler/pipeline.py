"""Numba's compiler for the simulator, with passes that replace Numba's functions and lowering by the simulator's."""

import builtins
from types import FunctionType
from typing import Any

from workbench.numba_internals.compiling import (
    BaseNativeLowering,
    CompilerBase,
    DefaultPassBuilder,
    Dispatcher,
    FunctionPass,
    InlineClosureLikes,
    InlineInlinables,
    IRProcessing,
    NativeLowering,
    make_function,
    register_pass,
)
from workbench.numba_internals.representation import build_definitions, ir
from workbench.sim.common import facts
from workbench.sim.common.modes import Mode
from workbench.sim.compiler.capturing import captured, constants_in, number_of, read_captured
from workbench.sim.compiler.inlining import InlineDeviceFunctions
from workbench.sim.compiler.linking import Library
from workbench.sim.compiler.lowering import CountedLower, PlainLower, WatchedLower
from workbench.sim.compiler.resolving import resolved
from workbench.sim.compiler.substitution import LANE_ID, attribute_of, substitute
from workbench.sim.compiler.undefined import follow
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
        func_ir = state.func_ir
        func_ir._definitions = build_definitions(func_ir.blocks)
        known = facts.of(state.func_id.func)
        for block in func_ir.blocks.values():
            for place, statement in enumerate(block.body):
                found = _named_value(func_ir, statement)
                if found is None:
                    continue
                name, old = found
                capture = captured(name, old)
                if capture is not None:
                    known.captures.append(capture)
                    _call(block, place, read_captured, number_of(capture))
                    continue
                if old is LANE_ID:
                    _call(block, place, lane_id)
                    continue
                known.constants.update(constants_in(name, old))
                new = substitute(old, COMPILERS[self.mode])
                if isinstance(new, Dispatcher):
                    known.calls.add(new.py_func)
                elif isinstance(new, FunctionType):
                    known.calls.add(new)
                if new is not old:
                    name = f"{name} of cuda" if hasattr(builtins, name) else name  # Numba refuses another ``len``
                    loc = statement.value.loc
                    block.body[place] = ir.Assign(ir.Global(name, new, loc), statement.target, statement.loc)
        func_ir._definitions = build_definitions(func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstitutePlain(Substitute):
    """The pass for kernels whose accesses are not recorded."""

    _name = "workbench_sim_substitute_plain"
    mode = Mode.PLAIN


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteCounted(Substitute):
    """The pass for kernels whose basic blocks are recorded too."""

    _name = "workbench_sim_substitute_counted"
    mode = Mode.COUNTED


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteFollowed(Substitute):
    """The pass for kernels whose undefined values are followed."""

    _name = "workbench_sim_substitute_followed"
    mode = Mode.FOLLOWED


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstituteTraced(Substitute):
    """The pass for kernels of which also what they load is followed."""

    _name = "workbench_sim_substitute_traced"
    mode = Mode.TRACED


@register_pass(mutates_CFG=False, analysis_only=False)
class FollowUndefined(FunctionPass):  # type: ignore[misc]
    """Follows undefined shuffle values to the stores that write them."""

    _name = "workbench_sim_follow_undefined"
    loads = False

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """See FunctionPass."""
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        follow(state.func_ir, loads=self.loads)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class FollowLoads(FollowUndefined):
    """Follows also what is loaded from memory that nothing has written."""

    _name = "workbench_sim_follow_loads"
    loads = True


@register_pass(mutates_CFG=True, analysis_only=False)
class WatchedLowering(BaseNativeLowering):  # type: ignore[misc]
    """Lowers with WatchedLower, into a library that is linked into kernels."""

    _name = "workbench_sim_lowering"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return WatchedLower

    def run_pass(self, state: Any) -> bool:
        """See BaseNativeLowering."""
        context, state.library = state.targetctx, Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        name, environment = context.get_env_name(lowered.fndesc), lowered.env
        state.library.define(lowered.fndesc.llvm_func_name, name, environment)
        callee = make_function(
            lowered.fndesc.lookup_module(), name, "", 0, environment, (state.library,)
        )  # a key for Numba
        context.insert_user_function(callee, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=callee)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class PlainLowering(WatchedLowering):
    """Lowers with PlainLower."""

    _name = "workbench_sim_lowering_plain"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return PlainLower


@register_pass(mutates_CFG=True, analysis_only=False)
class CountedLowering(WatchedLowering):
    """Lowers with CountedLower."""

    _name = "workbench_sim_lowering_counted"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return CountedLower


class WatchedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with the simulator's passes."""

    passes: tuple[type, type] = (Substitute, WatchedLowering)
    follower: type | None = None

    def define_pipelines(self) -> list[Any]:
        """See CompilerBase."""
        manager = self._with_own_passes(DefaultPassBuilder.define_nopython_pipeline(self.state))
        if self.follower is not None:
            manager.add_pass_after(self.follower, InlineDeviceFunctions)
        manager.finalize()
        return [manager]

    def untyped_passes(self, state: Any) -> Any:
        """Return the passes for the body of a function that is inlined into the compiled one."""
        return self._with_own_passes(DefaultPassBuilder.define_untyped_pipeline(state))

    def _with_own_passes(self, manager: Any) -> Any:
        substitute, lowering = self.passes
        manager.add_pass_after(substitute, IRProcessing)
        manager.add_pass_after(substitute, InlineClosureLikes)
        own = {InlineInlinables: InlineDeviceFunctions, NativeLowering: lowering}
        manager.passes[:] = [(own.get(each, each), text) for each, text in manager.passes]
        return manager


class PlainCompiler(WatchedCompiler):
    """The compiler for kernels whose accesses are not recorded."""

    passes = (SubstitutePlain, PlainLowering)


class CountedCompiler(WatchedCompiler):
    """The compiler for kernels whose basic blocks are recorded too."""

    passes = (SubstituteCounted, CountedLowering)


class FollowedCompiler(WatchedCompiler):
    """The compiler for kernels whose undefined values are followed."""

    passes = (SubstituteFollowed, WatchedLowering)
    follower = FollowUndefined


class TracedCompiler(WatchedCompiler):
    """The compiler for kernels of which also what they load is followed."""

    passes = (SubstituteTraced, WatchedLowering)
    follower = FollowLoads


COMPILERS: dict[Mode, type[WatchedCompiler]] = {
    Mode.PLAIN: PlainCompiler,
    Mode.WATCHED: WatchedCompiler,
    Mode.COUNTED: CountedCompiler,
    Mode.FOLLOWED: FollowedCompiler,
    Mode.TRACED: TracedCompiler,
}


def _named_value(func_ir: Any, statement: Any) -> tuple[str, Any] | None:
    """Return the name and value of a global, a free variable or a module's attribute that a statement loads."""
    value = statement.value if isinstance(statement, ir.Assign) else None
    if isinstance(value, ir.Global | ir.FreeVar):
        return value.name, value.value
    if isinstance(value, ir.Expr) and value.op == "getattr":
        owner = resolved(func_ir, value.value)
        found = attribute_of(owner, value.attr)
        return None if found is None else (value.attr, found)
    return None


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
