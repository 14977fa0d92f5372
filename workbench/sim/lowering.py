"""How Numba compiles a kernel for the simulator: for the CPU, with every access to an array checked and noted.

What Numba knows of types, and so the arithmetic, is the GPU's: literals, mixed expressions and accumulators get the types
that they get there.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.core import cgutils, ir, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import UnsupportedError
from numba.core.ir_utils import build_definitions
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering
from numba.core.untyped_passes import InlineClosureLikes, IRProcessing
from numba.np import arrayobj

from workbench.sim import naming, sites
from workbench.sim.generating import (
    constant,
    element,
    guard_stack,
    indices_of,
    note_access,
    note_progress,
    note_view,
    same_bits,
    stop_when_asked,
    store_state,
)
from workbench.sim.language import CUDA
from workbench.sim.language.places import lane_id
from workbench.sim.runtime import layout as at
from workbench.sim.substitution import substitute


class WatchedLower(Lower):  # type: ignore[misc]
    """Lowers accesses to elements so that the runtime hears of them, and says at calls where in the source they are."""

    watch = True

    def pre_block(self, block: Any) -> None:
        """See Lower; called for every block, of which the first one is looked for."""
        super().pre_block(block)
        self._block_offset = next(offset for offset, each in self.blocks.items() if each is block)
        if block is self.blocks[self.firstblk]:
            guard_stack(self.builder)

    def lower_inst(self, inst: Any) -> Any:
        """See Lower."""
        value = getattr(inst, "value", None)
        is_call = isinstance(inst, ir.Assign) and isinstance(value, ir.Expr) and value.op == "call"
        raises = isinstance(inst, ir.StaticRaise | ir.DynamicRaise | ir.StaticTryRaise | ir.DynamicTryRaise)
        if is_call or raises or isinstance(inst, ir.Return):
            self._say_where()
        if isinstance(inst, ir.Jump) and inst.target <= self._block_offset:
            stop_when_asked(self.builder)
        if isinstance(inst, ir.Assign):
            self._refuse(inst)
        naming.results.append(naming.name_of(inst.target.name) if is_call else "")
        try:
            return super().lower_inst(inst)
        finally:
            naming.results.pop()

    def _refuse(self, inst: Any) -> None:
        """Refuse what has memory that no CUDA kernel can have: lists, dictionaries, sets, strings, arrays made by NumPy."""
        kind, value = self.typeof(inst.target.name), inst.value
        what = ""
        if isinstance(kind, types.List | types.ListType | types.DictType | types.Set | types.LiteralList):
            what = f"a {type(kind).__name__.removesuffix('Type').lower()}"
        elif isinstance(kind, types.Array) and isinstance(value, ir.Expr) and value.op == "call":
            called = self.typeof(value.func.name)
            key = getattr(called, "typing_key", None)
            if isinstance(called, types.BoundFunction):
                naming.narrow |= {"view"} if called.key[0] == "array.view" else set()
                what = "a copy of an array" if called.key[0] in ("array.copy", "array.astype", "array.flatten") else ""
            elif getattr(key, "__module__", "").startswith("numpy"):
                what = f"an array made by {getattr(key, '__name__', key)}"
        if what:
            raise UnsupportedError(f"{what}: a CUDA kernel cannot have that; use cuda.local.array", loc=inst.loc)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """See Lower."""
        if expr.op == "iternext" and self.watch:
            self._note_next(self.typeof(expr.value.name), expr.value.name)
        return super().lower_expr(resty, expr)

    def _note_next(self, kind: Any, name: str) -> None:
        """Note the read of the next element by a loop over an array of one dimension."""
        if not isinstance(kind, types.ArrayIterator) or kind.array_type.ndim != 1:
            return
        builder, array_type = self.builder, kind.array_type
        iterator = self.context.make_helper(builder, kind, value=self.loadvar(name))
        array = iterator.array
        view = arrayobj.make_array(array_type)(self.context, builder, array)
        index = builder.load(iterator.index)
        self._say_where()
        with builder.if_then(builder.icmp_signed("<", index, view.nitems)):
            place = cgutils.get_item_pointer(self.context, builder, array_type, view, [index], wraparound=False)
            note_access(self.context, builder, array_type, array, place, at.READS)

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        """See Lower."""
        kind = self.typeof(value.name)
        if isinstance(kind, types.Array) and not isinstance(resty, types.Array):
            found = indices_of(self.context, self.builder, self.typeof(index.name), self.loadvar(index.name))
            if found is not None and len(found[1]) == kind.ndim:
                array = self.loadvar(value.name)
                self._say_where()
                place = element(self.context, self.builder, kind, array, found[1], naming.name_of(value.name), at.READS)
                if isinstance(kind.dtype, types.Record):
                    return super().lower_getitem(resty, expr, value, index, signature)
                if self.watch:
                    note_access(self.context, self.builder, kind, array, place, at.READS)
                result = self.context.unpack_value(self.builder, kind.dtype, place, align=None if kind.aligned else 1)
                return self.context.cast(self.builder, result, kind.dtype, resty)
        return super().lower_getitem(resty, expr, value, index, signature)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        """See Lower."""
        kind = self.typeof(target_var.name)
        if not isinstance(kind, types.Array):
            return super().lower_setitem(target_var, index_var, value_var, signature)
        context, builder = self.context, self.builder
        array, index = self.loadvar(target_var.name), self.loadvar(index_var.name)
        found = indices_of(context, builder, self.typeof(index_var.name), index)
        self._say_where()
        if found is None or len(found[1]) != kind.ndim or isinstance(kind.dtype, types.Record):
            if self.watch:
                self._note_views(kind, array, self.typeof(index_var.name), index, value_var)
            return super().lower_setitem(target_var, index_var, value_var, signature)
        value = context.cast(builder, self.loadvar(value_var.name), self.typeof(value_var.name), kind.dtype)
        place = element(context, builder, kind, array, found[1], naming.name_of(target_var.name), at.WRITES)
        if not self.watch:
            note_progress(builder, constant(0))
        else:
            flag = builder.add(same_bits(context, builder, kind, place, value), constant(at.WRITES))
            note_access(context, builder, kind, array, place, flag)
        return context.pack_value(builder, kind.dtype, value, place, align=None if kind.aligned else 1)

    def _say_where(self) -> None:
        store_state(self.builder, at.SITE, constant(self._site()))

    def _site(self) -> int:
        return sites.number_of(self.func_ir.func_id.func_name, self.loc.filename, self.loc.line)

    def _note_views(self, kind: Any, array: Any, index_type: Any, index: Any, value_var: Any) -> None:
        """Note the elements of ``array[a:b] = value``, both sides."""
        value_type = self.typeof(value_var.name)
        if isinstance(value_type, types.Array) and not isinstance(value_type.dtype, types.Record):
            note_view(self.context, self.builder, value_type, self.loadvar(value_var.name), at.READS)
        typing = self.context.typing_context
        getter = typing.resolve_value_type(operator.getitem)
        found = typing.resolve_function_type(getter, (kind, index_type), {})
        if found is None or not isinstance(found.return_type, types.Array) or isinstance(kind.dtype, types.Record):
            return
        try:
            get = self.context.get_function(getter, found)
        except NotImplementedError:  # array[...]
            note_view(self.context, self.builder, kind, array, at.WRITES)
            return
        given = self.context.cast(self.builder, index, index_type, found.args[1])
        note_view(self.context, self.builder, found.return_type, get(self.builder, (array, given)), at.WRITES)


def _is_lane(value: Any, cuda: set[str]) -> bool:
    return isinstance(value, ir.Expr) and value.op == "getattr" and value.value.name in cuda and value.attr == "laneid"


class PlainLower(WatchedLower):
    """Checks indices only."""

    watch = False


@register_pass(mutates_CFG=False, analysis_only=False)
class Substitute(FunctionPass):  # type: ignore[misc]
    """Puts the simulator's functions in the place of ``numba.cuda``'s."""

    _name = "workbench_sim_substitute"
    watch = True

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """See FunctionPass."""
        cuda = set()
        for block in state.func_ir.blocks.values():
            for place, statement in enumerate(block.body):
                if not isinstance(statement, ir.Assign):
                    continue
                old = statement.value
                if isinstance(old, ir.Global | ir.FreeVar):
                    new = substitute(old.value, watch=self.watch)
                    if new is CUDA:
                        cuda.add(statement.target.name)
                    if new is not old.value:
                        block.body[place] = ir.Assign(
                            ir.Global(old.name, new, old.loc), statement.target, statement.loc
                        )
                elif _is_lane(old, cuda):  # the one name that is no constant: it becomes that of a call
                    lane = ir.Expr.call(ir.Var(block.scope, "$lane_id", old.loc), (), (), old.loc)
                    found = ir.Assign(ir.Global("lane_id", lane_id, old.loc), lane.func, old.loc)
                    block.body[place] = ir.Assign(lane, statement.target, statement.loc)
                    block.body.insert(place, found)
        state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class SubstitutePlain(Substitute):
    """The same for kernels whose accesses are not noted."""

    _name = "workbench_sim_substitute_plain"
    watch = False


@register_pass(mutates_CFG=True, analysis_only=False)
class WatchedLowering(BaseNativeLowering):  # type: ignore[misc]
    """Lowers by WatchedLower."""

    _name = "workbench_sim_lowering"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return WatchedLower


@register_pass(mutates_CFG=True, analysis_only=False)
class PlainLowering(BaseNativeLowering):  # type: ignore[misc]
    """Lowers by PlainLower."""

    _name = "workbench_sim_lowering_plain"

    @property
    def lowering_class(self) -> type:
        """See BaseNativeLowering."""
        return PlainLower


class WatchedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with the simulator's passes."""

    passes: tuple[type, type] = (Substitute, WatchedLowering)

    def define_pipelines(self) -> list[Any]:
        """See CompilerBase."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        substitute, lowering = self.passes
        manager.add_pass_after(substitute, IRProcessing)
        manager.add_pass_after(substitute, InlineClosureLikes)
        for place, (each, text) in enumerate(manager.passes):
            if each is NativeLowering:
                manager.passes[place] = (lowering, text)
        manager.finalize()
        return [manager]


class PlainCompiler(WatchedCompiler):
    """The same for kernels whose accesses are not noted."""

    passes = (SubstitutePlain, PlainLowering)
