"""llvmlite: ``ir`` builds LLVM's code, ``binding`` asks LLVM about the processor."""

from llvmlite import binding, ir
