"""NVIDIA's compiler tools, wherever they are installed: they turn PTX into machine code and SASS, without a GPU."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from kernels.installation import install_command
from workbench.inspecting.cuda.ascii_names import as_ascii, from_ascii
from workbench.system.compute_capability import ComputeCapability, architecture
from workbench.system.errors import InputError
from workbench.system.files import temporary_folder

_LIBRARIES = {"nvvm": "libNVVM (nvidia-nvvm)", "nvrtc": "NVRTC (nvidia-cuda-nvrtc)"}
"""What numba-cuda loads to make PTX: the compiler and the list of compute capabilities."""

_PROGRAMS = {"ptxas": "ptxas (nvidia-cuda-nvcc)", "nvdisasm": "nvdisasm (nvidia-cuda-nvdisasm)"}

_UNRESOLVED = re.compile(r"Unresolved extern function '(\w+)'")
_EXTERN = re.compile(r"^\.extern \.func\s+(?:\([^)]*\)\s*)?(\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A kernel as ptxas assembled it.

    Attributes
    ----------
    messages : the output of ``ptxas -v`` on its registers and memory
    sass : the listing of its machine code, with source lines
    linked : called functions that are linked only when the kernel is loaded
    """

    messages: str
    sass: str
    linked: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The paths of the tools."""

    ptxas: str
    nvdisasm: str

    def assemble(self, ptx: str, cc: ComputeCapability, max_registers: int | None, optimise: bool) -> Assembled:
        """Assemble a kernel's PTX to machine code, and disassemble it.

        Parameters
        ----------
        ptx : PTX with line information
        cc : the compute capability to assemble for
        max_registers : the most registers per thread; None for no limit
        optimise : False for a kernel that asked for ``opt=False``

        Raises
        ------
        InputError
            The PTX is newer than ptxas, or the disassembler is older than ptxas.
        """
        with temporary_folder() as folder:
            source, binary = folder / "kernel.ptx", folder / "kernel.cubin"
            source.write_text(as_ascii(ptx), encoding="ascii")
            options = ["-v", "--generate-line-info", f"-arch={architecture(cc)}", f"-O{3 if optimise else 0}"]
            options += [] if max_registers is None else ["-maxrregcount", str(max_registers)]
            done = _run([self.ptxas, *options, "-o", str(binary), str(source)])
            linked = tuple(dict.fromkeys(_UNRESOLVED.findall(done.stderr)))
            if linked:  # left unresolved, as Numba leaves it until it links
                linked = tuple(dict.fromkeys(_EXTERN.findall(ptx)))
                done = _run([self.ptxas, "-c", *options, "-o", str(binary), str(source)])
            if done.returncode:
                raise _refused(ptx, cc, done.stdout + done.stderr)
            listing = _run([self.nvdisasm, "-c", "-gi", "-ndf", str(binary)])
            if listing.returncode:
                raise InputError(
                    f"nvdisasm does not read this machine code: {_first(listing.stderr)}; {install_command(extra='ptx')}"
                )
        messages, sass = from_ascii(done.stdout + done.stderr), from_ascii(listing.stdout)
        return Assembled(messages=messages, sass=sass, linked=linked)

    def versions(self) -> dict[str, str]:
        """Return the versions of the tools, for a report."""
        return {name: _version(getattr(self, name)) for name in _PROGRAMS}


@cache
def find_toolchain() -> Toolchain:
    """Find the tools.

    Raises
    ------
    InputError
        A tool is missing, or Numba's simulator replaces the compiler.
    """
    try:
        pathfinder = import_module("cuda.pathfinder")
        import_module("numba.cuda")
    except ImportError as error:
        raise InputError(f"PTX and SASS need numba-cuda ({error}); {install_command(extra='ptx')}") from error
    _refuse_simulator()
    missing = [what for name, what in _LIBRARIES.items() if not _loads(pathfinder, name)]
    found = {name: _program(pathfinder, name) for name in _PROGRAMS}
    missing += [_PROGRAMS[name] for name, path in found.items() if path is None]
    if missing:
        raise InputError(f"PTX and SASS need {', '.join(missing)}, not installed here; {install_command(extra='ptx')}")
    return Toolchain(ptxas=str(found["ptxas"]), nvdisasm=str(found["nvdisasm"]))


def _refuse_simulator() -> None:
    import numba.cuda

    if numba.cuda.config.ENABLE_CUDASIM:
        raise InputError(
            "NUMBA_ENABLE_CUDASIM=1 replaces the CUDA compiler by the simulator, so there is no PTX; unset it"
        )


def _loads(pathfinder: Any, name: str) -> bool:
    try:
        pathfinder.load_nvidia_dynamic_lib(name)
    except (pathfinder.DynamicLibNotFoundError, OSError):
        return False
    return True


def _program(pathfinder: Any, name: str) -> str | None:
    path: str | None = pathfinder.find_nvidia_binary_utility(name)
    return path


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)


def _version(program: str) -> str:
    found = re.search(r"\bV(\d+(?:\.\d+)+)", _run([program, "--version"]).stdout)
    return found[1] if found else "unknown"


def _refused(ptx: str, cc: ComputeCapability, messages: str) -> InputError:
    what = _first(messages)
    if "Unsupported .version" in messages:
        newer = re.search(r"^\.version (\S+)", ptx, re.MULTILINE)
        return InputError(
            f"ptxas is older than libNVVM and cannot read its PTX {newer[1] if newer else ''}; install the same "
            f"version of both: {install_command(extra='ptx')}"
        )
    if "is not defined for option 'gpu-name'" in messages:
        return InputError(f"ptxas does not know {architecture(cc)}; choose another --cc")
    return InputError(f"ptxas refuses the kernel's PTX for {architecture(cc)}: {what}")


def _first(messages: str) -> str:
    lines = [line.strip() for line in messages.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
    return lines[0] if lines else (messages.strip().splitlines() or ["no message"])[0]
