"""llvmlite: ``ir`` builds LLVM's code, ``binding`` parses, optimizes and compiles it, and knows the processor."""

from llvmlite import binding, ir
