"""The processors and features that LLVM knows; of others it says so on the standard error stream, and goes on without."""

import os
import tempfile


def is_known_to_llvm(processor: str, features: str = "") -> bool:
    """Return whether LLVM compiles for a processor with these features, such as "haswell" and "+avx2,-fma"."""
    if "help" in processor + features:
        return False  # LLVM would print the names, once in a process
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    try:
        stderr = os.dup(2)
    except OSError:  # there is no such stream, and LLVM cannot say anything
        return True
    try:
        with tempfile.TemporaryFile() as told:
            os.dup2(told.fileno(), 2)
            try:
                llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features)
            finally:
                os.dup2(stderr, 2)
            told.seek(0)
            return not told.read()
    finally:
        os.close(stderr)
