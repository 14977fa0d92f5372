"""Lower a kernel for the simulator: for the CPU, with every array access checked and recorded.

Typing, and so the arithmetic, follows numba-cuda: literals, mixed expressions and accumulators have the types that they
have on a GPU.
"""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import types

from workbench.numba_internals.errors import UnsupportedError
from workbench.numba_internals.lowering import Lower, arrayobj, cgutils
from workbench.numba_internals.representation import compute_cfg_from_blocks, get_definition, guard, ir
from workbench.sim.common import facts, naming, places, sites
from workbench.sim.common.generating import (
    Indices,
    call_runtime,
    check_inside,
    check_outlives,
    constant,
    element,
    guard_stack,
    has_arrays,
    indices_of,
    note_access,
    note_place,
    note_progress,
    note_view,
    same_bits,
    stop_when_asked,
    store_state,
    with_region,
)
from workbench.sim.compiler.calls import accesses
from workbench.sim.compiler.contexts import embedding, noting
from workbench.sim.compiler.libraries import is_library
from workbench.sim.runtime import layout as at
from workbench.system.python_code import is_library_file


class WatchedLower(Lower):  # type: ignore[misc]
    """Lowers element accesses with reports to the runtime, and sets the source place at calls."""

    watch = True
    context: Any

    def init(self) -> None:
        """See Lower."""
        super().init()
        self.context = embedding(self.context)

    def pre_block(self, block: Any) -> None:
        """Override ``Lower``'s hook, called for every block; only the first block matters."""
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
        if isinstance(inst, ir.Return):
            self._check_returned(self.typeof(inst.value.name), inst.value.name)
        if isinstance(inst, ir.Jump) and inst.target <= self._block_offset:
            stop_when_asked(self.builder)
        if isinstance(inst, ir.Assign):
            self._refuse(inst)
            if self.watch and isinstance(value, ir.Expr):
                self._note_whole(value)
        if isinstance(value, ir.Expr) and value.op == "call":
            self._note_extension(self.typeof(value.func.name))
        naming.lowered.append((self._function(), naming.name_of(inst.target.name) if is_call else ""))
        try:
            if not self._is_beyond_elements(inst):
                return super().lower_inst(inst)
            self._say_where()
            with self._noting():
                return super().lower_inst(inst)
        finally:
            naming.lowered.pop()

    def _check_returned(self, kind: Any, name: str) -> None:
        """End the launch if a device function returns an array in its own frame, which ends with it."""
        if has_arrays(kind):
            self.builder.function.attributes.add("noinline")  # its frame would be its caller's
            check_outlives(self.context, self.builder, kind, self.loadvar(name))

    def _is_beyond_elements(self, inst: Any) -> bool:
        """Return whether an instruction may touch memory through an iterator or record, in code that Numba generates."""
        if isinstance(inst, ir.SetAttr | ir.SetItem | ir.StaticSetItem):
            base = inst.target
            self._note_nested(inst, self.typeof(base.name))
        elif isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Expr):
            if inst.value.op in ("iternext", "exhaust_iter"):
                return True
            if inst.value.op not in ("getattr", "getitem", "static_getitem", "typed_getitem"):
                return False
            base = inst.value.value
        else:
            return False
        return isinstance(self.typeof(base.name), types.Record | types.NumpyFlatType)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Record the loads and stores of code that Numba generates."""
        plain = self.context
        self.context = noting(plain, watch=self.watch)
        try:
            yield
        finally:
            self.context = plain

    def _note_nested(self, inst: Any, record: Any) -> None:
        """Record ``record.field = array``: Numba copies the bytes of an array in a record in one go."""
        if not self.watch or not isinstance(record, types.Record) or isinstance(inst, ir.SetItem):
            return
        name = inst.attr if isinstance(inst, ir.SetAttr) else inst.index
        name = list(record.fields)[name] if isinstance(name, int) else name
        field, value = record.typeof(name), self.typeof(inst.value.name)
        if isinstance(field, types.NestedArray) and isinstance(value, types.Array):
            self._say_where()
            note_view(self.context, self.builder, value, self.loadvar(inst.value.name), at.READS)
            start = cgutils.get_record_member(
                self.builder, self.loadvar(inst.target.name), record.offset(name), self.context.get_data_type(field)
            )
            note_place(self.context, self.builder, field, start, at.WRITES)

    def _function(self) -> Any:
        return self.func_ir.func_id.func

    def _refuse(self, inst: Any) -> None:
        """Refuse objects that no CUDA kernel can allocate: lists, dictionaries, sets, strings, arrays made by NumPy."""
        kind, value = self.typeof(inst.target.name), inst.value
        what = ""
        if isinstance(kind, types.List | types.ListType | types.DictType | types.Set | types.LiteralList):
            what = f"a {type(kind).__name__.removesuffix('Type').lower()}"
        elif isinstance(kind, types.Array) and isinstance(value, ir.Expr) and value.op == "call":
            called = self.typeof(value.func.name)
            key = getattr(called, "typing_key", None)
            if isinstance(called, types.BoundFunction):
                facts.of(self._function()).by_bytes |= called.key[0] == "array.view"
                what = "a copy of an array" if called.key[0] in ("array.copy", "array.astype", "array.flatten") else ""
            elif isinstance(key, np.ufunc) and len(value.args) > key.nin:
                pass
            elif isinstance(key, np.ufunc) or getattr(key, "__module__", "").startswith("numpy"):
                what = f"an array made by {getattr(key, '__name__', key)}"
        elif (
            isinstance(kind, types.Array) and isinstance(value, ir.Expr) and value.op in ("binop", "unary", "arrayexpr")
        ):
            what = "an array made by an operator"
        if what:
            raise UnsupportedError(f"{what}: not supported in a CUDA kernel; use cuda.local.array", loc=inst.loc)

    def _note_extension(self, called: Any) -> None:
        """Note a call of what a user has implemented: its code is not part of the kernel's source."""
        templates = [called.template] if isinstance(called, types.BoundFunction) else getattr(called, "templates", ())
        made = (getattr(each, "_overload_func", None) for each in templates)
        facts.of(self._function()).extended |= any(
            each is not None and not is_library(each.__module__ or "builtins") for each in made
        )

    def _note_whole(self, expr: Any) -> None:
        """Record the accesses of NumPy functions and operators to all elements of arrays."""
        if expr.op == "call":
            called = self.typeof(expr.func.name)
            key = getattr(called, "typing_key", None)
            arguments = [*expr.args, *(each for _, each in expr.kws)]
            if isinstance(key, np.ufunc):
                self._note_arrays(arguments[: key.nin], at.READS)
                self._note_arrays(arguments[key.nin :], at.WRITES)
                return
            if isinstance(called, types.BoundFunction):
                arguments.insert(0, expr.func)
            for access in accesses(called, self.fndesc.calltypes[expr].return_type):
                self._note_arrays(arguments, access)
        elif expr.op in ("binop", "inplace_binop"):
            self._note_arrays([expr.lhs, expr.rhs], at.READS)
            if expr.op == "inplace_binop":
                self._note_arrays([expr.lhs], at.WRITES)

    def _note_arrays(self, variables: list[Any], access: int) -> None:
        for each in variables:
            kind = self.typeof(each.name)
            kind = kind.this if isinstance(kind, types.BoundFunction) else kind
            if isinstance(kind, types.Array):
                self._say_where()
                note_view(self.context, self.builder, kind, self.loadvar(each.name), access)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """See Lower."""
        result = super().lower_expr(resty, expr)
        if expr.op in ("getattr", "static_getitem") and isinstance(resty, types.Array):
            base = self.typeof(expr.value.name)
            if isinstance(base, types.Record):
                return with_region(self.context, self.builder, resty, result)
            if expr.op == "getattr" and expr.attr in ("real", "imag"):
                facts.of(self._function()).by_bytes |= base.dtype == types.complex64
        return result

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        """See Lower."""
        kind = self.typeof(value.name)
        if isinstance(kind, types.NumpyFlatType):
            self._check_flat(kind, value, index, at.READS)
        if isinstance(kind, types.Array) and isinstance(resty, types.Array):
            self._check_view(kind, value, index, at.READS)
        if isinstance(kind, types.Array) and not isinstance(resty, types.Array):
            found = indices_of(self.context, self.builder, self.typeof(index.name), self.loadvar(index.name))
            if found is not None and len(found[1]) == kind.ndim:
                array = self.loadvar(value.name)
                self._say_where()
                indices = self._indices(index, found[1])
                place = element(
                    self.context, self.builder, kind, array, indices, self._noted_name(value.name), at.READS
                )
                if isinstance(kind.dtype, types.Record):
                    return super().lower_getitem(resty, expr, value, index, signature)
                if self.watch:
                    flags, aligned = at.READS | at.FOLLOWED, not self._is_field(value)
                    note_access(self.context, self.builder, kind, array, place, flags, aligned=aligned)
                result = self.context.unpack_value(self.builder, kind.dtype, place, align=None if kind.aligned else 1)
                return self.context.cast(self.builder, result, kind.dtype, resty)
        return super().lower_getitem(resty, expr, value, index, signature)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        """See Lower."""
        kind = self.typeof(target_var.name)
        if isinstance(kind, types.NumpyFlatType):
            self._check_flat(kind, target_var, index_var, at.WRITES)
        if not isinstance(kind, types.Array):
            return super().lower_setitem(target_var, index_var, value_var, signature)
        context, builder = self.context, self.builder
        array, index = self.loadvar(target_var.name), self.loadvar(index_var.name)
        found = indices_of(context, builder, self.typeof(index_var.name), index)
        self._say_where()
        if found is None or len(found[1]) != kind.ndim:
            self._check_view(kind, target_var, index_var, at.WRITES)
            if self.watch:
                self._note_views(kind, array, self.typeof(index_var.name), index, value_var)
            return super().lower_setitem(target_var, index_var, value_var, signature)
        value = context.cast(builder, self.loadvar(value_var.name), self.typeof(value_var.name), kind.dtype)
        indices = self._indices(index_var, found[1])
        place = element(context, builder, kind, array, indices, self._noted_name(target_var.name), at.WRITES)
        if isinstance(kind.dtype, types.Record):
            noting(context, watch=self.watch).pack_value(builder, kind.dtype, value, place, 1)
            return None
        if not self.watch:
            note_progress(builder, constant(0))
        else:
            flag = builder.add(same_bits(context, builder, kind, place, value), constant(at.WRITES))
            note_access(context, builder, kind, array, place, flag, aligned=not self._is_field(target_var))
        return context.pack_value(builder, kind.dtype, value, place, align=None if kind.aligned else 1)

    def _is_field(self, variable: Any) -> bool:
        """Return whether an array is in a record, which may be packed."""
        made = guard(get_definition, self.func_ir, variable)
        is_part = isinstance(made, ir.Expr) and made.op in ("getattr", "getitem", "static_getitem")
        return is_part and isinstance(self.typeof(made.value.name), types.Record)

    def _check_flat(self, kind: Any, flat: Any, index: Any, access: int) -> None:
        """End the launch if the index of ``array.flat[index]`` is out of bounds."""
        context, builder = self.context, self.builder
        found = indices_of(context, builder, self.typeof(index.name), self.loadvar(index.name))
        if found is not None:
            array = context.make_helper(builder, kind, value=self.loadvar(flat.name)).array
            view = arrayobj.make_array(kind.array_type)(context, builder, array)
            indices, name = Indices(words=found[1], constants=[None]), self._noted_name(flat.name)
            check_inside(builder, view.parent, indices, [view.nitems], name, access | at.FROM_START)

    def _check_view(self, kind: Any, array: Any, index: Any, access: int) -> None:
        """End the launch if an integer in the index of a view is outside its axis: so would be what the view shows."""
        context, builder, index_type = self.context, self.builder, self.typeof(index.name)
        is_tuple = isinstance(index_type, types.BaseTuple)
        parts = list(index_type) if is_tuple else [index_type]
        words = cgutils.unpack_tuple(builder, self.loadvar(index.name)) if is_tuple else [self.loadvar(index.name)]
        known = self._indices(index, words).constants
        given = sum(not isinstance(each, types.EllipsisType | types.NoneType) for each in parts)
        axis, chosen = 0, []
        for part, word, constant_ in zip(parts, words, known, strict=True):
            if isinstance(part, types.Integer):
                wide = types.intp if part.signed else types.uintp
                chosen.append((axis, context.cast(builder, word, part, wide), constant_))
            if isinstance(part, types.EllipsisType):
                axis += kind.ndim - given
            elif not isinstance(part, types.NoneType):
                axis += 1
        if not chosen or any(isinstance(each, types.Array) for each in parts):
            return
        self._say_where()
        view = arrayobj.make_array(kind)(context, builder, self.loadvar(array.name))
        lengths = cgutils.unpack_tuple(builder, view.shape, kind.ndim)
        indices = Indices(words=[word for _, word, _ in chosen], constants=[each for _, _, each in chosen])
        shape = [lengths[each] for each, _, _ in chosen]
        check_inside(builder, view.parent, indices, shape, self._name(array.name), access)

    def _indices(self, variable: Any, words: list[Any]) -> Indices:
        """Return the indices in a variable, with those that are constants in the source."""
        made = guard(get_definition, self.func_ir, variable)
        is_tuple = isinstance(made, ir.Expr) and made.op == "build_tuple"
        parts = made.items if is_tuple and len(made.items) == len(words) else [variable] * len(words)
        known = is_tuple or len(words) == 1
        constants = [self._constant(each) if known else None for each in parts]
        return Indices(words=words, constants=constants)

    def _constant(self, variable: Any) -> int | None:
        """Return the integer that a variable always holds: a number in the source, a global one, or its negative."""
        made = guard(get_definition, self.func_ir, variable)
        if isinstance(made, ir.Const | ir.Global | ir.FreeVar):
            return int(made.value) if isinstance(made.value, int | np.integer) else None
        if isinstance(made, ir.Expr) and made.op == "unary" and made.fn is operator.neg:
            known = self._constant(made.value)
            return None if known is None else -known
        return None

    def _name(self, variable: str) -> str:
        """Return an array's name in the source, as ``a``, ``a.x`` or ``a[...].x``; "" if it is unknown."""
        known = naming.name_of(variable)
        made = None if known else guard(get_definition, self.func_ir, variable)
        if not isinstance(made, ir.Expr) or made.op not in ("getattr", "getitem", "static_getitem"):
            return known
        base = self._name(made.value.name)
        field = made.attr if made.op == "getattr" else getattr(made, "index", None)
        return base and base + (f".{field}" if isinstance(field, str) else "[...]")

    def _noted_name(self, variable: str) -> str:
        """Return an array's name, for machine code that holds its number."""
        name = self._name(variable)
        facts.of(self._function()).names.add(sites.NAMES.number_of(name))
        return name

    def _say_where(self) -> None:
        if not is_library_file(
            self.loc.filename
        ):  # accesses in a library's function are reported at the line that calls it
            store_state(self.builder, at.SITE, constant(self._site()))

    def _site(self) -> int:
        site = sites.Site(function=self.func_ir.func_id.func_name, file=self.loc.filename, line=self.loc.line)
        number = sites.SITES.number_of(site)
        facts.of(self._function()).sites.add(number)
        return number

    def _note_views(self, kind: Any, array: Any, index_type: Any, index: Any, value_var: Any) -> None:
        """Record the elements on both sides of ``array[a:b] = value``."""
        value_type = self.typeof(value_var.name)
        if isinstance(value_type, types.Array):
            note_view(self.context, self.builder, value_type, self.loadvar(value_var.name), at.READS)
        elif isinstance(value_type, types.Record):
            note_place(self.context, self.builder, value_type, self.loadvar(value_var.name), at.READS)
        typing = self.context.typing_context
        getter = typing.resolve_value_type(operator.getitem)
        found = typing.resolve_function_type(getter, (kind, index_type), {})
        if found is None or not isinstance(found.return_type, types.Array):
            return
        try:
            get = self.context.get_function(getter, found)
        except NotImplementedError:  # array[...]
            note_view(self.context, self.builder, kind, array, at.WRITES)
            return
        given = self.context.cast(self.builder, index, index_type, found.args[1])
        note_view(self.context, self.builder, found.return_type, get(self.builder, (array, given)), at.WRITES)


class CountedLower(WatchedLower):
    """Lowers with reports of every basic block that a thread enters."""

    def pre_block(self, block: Any) -> None:
        """See WatchedLower."""
        super().pre_block(block)
        if block is self.blocks[self.firstblk]:
            self._numbers = self._numbered()
        number = self._numbers[self._block_offset]
        places.enter(self.builder, number)
        call_runtime(self.builder, "begin_block", constant(number))

    def _numbered(self) -> dict[int, int]:
        """Give numbers to all blocks of the function, and describe them; return the numbers by offset."""
        graph = compute_cfg_from_blocks(self.blocks)
        first = len(places.BLOCKS)
        numbers = {offset: first + place for place, offset in enumerate(sorted(self.blocks))}
        loops = sorted(graph.loops().values(), key=lambda loop: -len(loop.body))
        for offset in sorted(self.blocks):
            lines = [statement.loc for statement in self.blocks[offset].body if not isinstance(statement, ir.Del)]
            places.BLOCKS.append(
                places.BasicBlock(
                    number=numbers[offset],
                    function=self.func_ir.func_id.func_name,
                    lines=tuple(
                        dict.fromkeys(
                            sites.Site(function=self.func_ir.func_id.func_name, file=loc.filename, line=loc.line)
                            for loc in lines
                        )
                    ),
                    loops=tuple(numbers[loop.header] for loop in loops if offset in loop.body),
                    entry=numbers[self.firstblk],
                )
            )
        return numbers


class PlainLower(WatchedLower):
    """Lowers with checks of indices only."""

    watch = False
