"""Link a kernel with all that it calls, optimize it once, and generate its machine code.

Numba would optimize and generate every device function by itself, and again in every function that calls it.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from numba import types

from workbench.numba_internals.compiling import JITCodeLibrary, RuntimeLinker, cpu_target
from workbench.numba_internals.llvm import binding, ir
from workbench.sim.compiler.reading import WordReader, read_value

_ENVIRONMENT, _ADDRESS, _POINTER = "_ZN08NumbaEnv", "numba.dynamic.globals", RuntimeLinker.PREFIX

_libraries: WeakValueDictionary[str, Library] = WeakValueDictionary()
"""Libraries by the symbols of their functions."""

_environments: list[dict[str, Any]] = []
"""Keeps what loaded machine code refers to."""


class Library(JITCodeLibrary):  # type: ignore[misc]
    """The code of one function and of those that it calls, to be linked into kernels."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.environments: dict[str, Any] = {}

    def _optimize_functions(self, module: Any) -> None:
        """Only set the layout: kernels are optimized as a whole."""
        module.data_layout = self._codegen._data_layout

    def define(self, symbol: str, environment_name: str, environment: Any) -> None:
        """Register the library's function, with the environment in which Numba lets it call Python."""
        _libraries[symbol] = self
        self.environments[environment_name] = environment

    def finalize(self) -> None:
        """Link the functions that this one calls; see CodeLibrary."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
            self.environments |= getattr(library, "environments", {})
            self._reload_init |= library._reload_init
        self._finalized = True

    def get_pointer_to_function(self, _name: str) -> int:
        """Return 0: there is no machine code; see CodeLibrary."""
        return 0


@dataclass(frozen=True)
class MachineCode:
    """A kernel's machine code.

    Attributes
    ----------
    entry : symbol of the function that reads arguments at an address and runs the kernel
    code : an object file
    environments : Numba's environments of functions that call Python, by symbol
    portable : whether other processes may use it
    needs : symbols that it refers to
    """

    entry: str
    code: bytes
    needs: tuple[str, ...]
    environments: dict[str, Any] = field(default_factory=dict)
    portable: bool = True


def generate(entry: str, kernel: Any) -> MachineCode:
    """Generate machine code for a kernel.

    Parameters
    ----------
    entry : symbol for the function to make
    kernel : Numba's result of compiling the kernel, with a ``Library``
    """
    library = kernel.library
    library._ensure_finalized()
    codegen = library.codegen
    whole = Library(codegen, entry)
    whole._final_module.link_in(_parsed(_start(codegen, entry, kernel)))
    whole._final_module.link_in(library._get_module_for_linking(), preserve=True)
    environments = library.environments | _resolve(whole._final_module, codegen)
    _hide_all_but(whole._final_module, entry)
    whole._optimize_final_module()
    module = whole._final_module
    module.verify()
    calls_python = re.search(rf"load ptr, ptr @{_ENVIRONMENT}", str(module)) is not None
    has_addresses = any(each.name.startswith(_ADDRESS) for each in module.global_variables)
    portable = not (calls_python or has_addresses or library._reload_init)
    declared = (each.name for each in (*module.functions, *module.global_variables) if each.is_declaration)
    needs = tuple(sorted(name for name in declared if not name.startswith("llvm.")))
    return MachineCode(entry, codegen._tm.emit_object(module), needs, environments if calls_python else {}, portable)


def load(machine_code: MachineCode) -> int:
    """Load machine code; return the address of its entry.

    Raises
    ------
    NotImplementedError
        This process lacks a symbol that it refers to; a call of it would end the process.
    """
    engine = cpu_target.target_context.codegen()._engine
    for name in machine_code.needs:
        if not engine.is_symbol_defined(name) and binding.address_of_symbol(name) is None:
            raise NotImplementedError(f"the simulator has no function {name}")
    engine._ee.add_object_file(binding.ObjectFileRef.from_data(machine_code.code))
    engine.finalize_object()
    _environments.append(machine_code.environments)
    for name, environment in machine_code.environments.items():
        place = engine.get_global_value_address(name)
        if place:
            ctypes.c_void_p.from_address(place).value = id(environment)
    return int(engine.get_function_address(machine_code.entry))


def _start(codegen: Any, entry: str, kernel: Any) -> Any:
    """Return a module with a function, in Numba's calling convention, of the address of the arguments."""
    context, module = kernel.target_context, codegen._create_empty_module(entry)
    pointer = ir.IntType(8).as_pointer().as_pointer()
    kind = ir.FunctionType(ir.IntType(32), [pointer, pointer, ir.IntType(64)])
    function = ir.Function(module, kind, entry)
    builder = ir.IRBuilder(function.append_basic_block())
    called = context.declare_function(module, kernel.fndesc)
    words = WordReader(builder, function.args[2])
    values = [read_value(context, builder, each, words) for each in kernel.fndesc.argtypes]
    status, _ = context.call_conv.call_function(
        builder, called, kernel.fndesc.restype or types.none, kernel.fndesc.argtypes, values
    )
    builder.store(builder.bitcast(status.excinfoptr, pointer.pointee), function.args[1])
    builder.ret(status.code)
    return module


def _resolve(module: Any, codegen: Any) -> dict[str, Any]:
    """Link the functions that call themselves or each other, and define the pointers through which they do.

    Return the environments of these functions.
    """
    environments: dict[str, Any] = {}
    resolved: set[str] = set()
    while wanted := {each.name for each in module.global_variables if each.name.startswith(_POINTER)} - resolved:
        resolved |= wanted
        for name in sorted(wanted):
            called = name.removeprefix(_POINTER)
            if called not in _libraries:
                raise NotImplementedError(f"the recursion through {called}")
            own = codegen._create_empty_module(name)
            function = ir.Function(own, ir.FunctionType(ir.VoidType(), []), called)
            pointer = ir.GlobalVariable(own, ir.IntType(8).as_pointer(), name)
            pointer.initializer = function.bitcast(ir.IntType(8).as_pointer())
            module.link_in(_parsed(own))  # first: only functions that are wanted are linked
            module.link_in(_libraries[called]._get_module_for_linking(), preserve=True)
            environments |= _libraries[called].environments
    return environments


def _hide_all_but(module: Any, entry: str) -> None:
    """Make all functions and variables internal: they may be removed, and need not differ from those of other kernels.

    Numba's variables with addresses stay as they are, so that those that are used are still there after optimization.
    """
    for each in (*module.functions, *module.global_variables):
        named = each.name == entry or each.name.startswith((_ENVIRONMENT, _ADDRESS, "llvm."))
        if not each.is_declaration and not named:
            each.linkage = "internal"


def _parsed(module: Any) -> Any:
    return binding.parse_assembly(str(module))
