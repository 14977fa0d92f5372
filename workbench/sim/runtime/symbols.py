"""The names by which machine code finds the memory and functions of the simulator, whose addresses differ by process."""

from __future__ import annotations

from typing import Any

from workbench.numba_internals.llvm import binding, ir


def symbol(name: str) -> str:
    """Return the symbol of a name."""
    return f"workbench_sim_{name}"


def publish(name: str, address: int) -> None:
    """Set the address of a name, before machine code that uses it is loaded."""
    binding.add_symbol(symbol(name), address)


def place_of(builder: Any, name: str, words: int) -> Any:
    """Return a pointer to memory of 64-bit words."""
    kind = ir.ArrayType(ir.IntType(64), words)
    return builder.module.globals.get(symbol(name)) or ir.GlobalVariable(builder.module, kind, symbol(name))
