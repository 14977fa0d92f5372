"""Random kernels as source text: right ones, whose result is the same in every order of threads and in Python's numbers.

Integers stay below a thousand, and floats near one. Every thread writes its own elements, shared memory is read after
barriers, and branches depend on integers alone.
"""

import random
from dataclasses import dataclass, field

THREADS, BLOCKS, SIZE = 8, 2, 16

HEADER = """
import math
import numpy as np
from numba import cuda, float32, float64, int32, int64

TABLE = np.arange(40.0)[::-2] / 8
WHOLE = (np.arange(12) * 5 % 7).reshape(3, 4)
SCALE = 3
"""

_LENGTHS = {"x": SIZE, "z": SIZE, "TABLE": 20, "part": THREADS, "own": 4, "view": SIZE - 3}


@dataclass
class _Scope:
    """The names that a function may use."""

    integers: list[str]
    floats: list[str]
    arrays: list[str]
    functions: list[str] = field(default_factory=list)


class Program:
    """One random kernel, with the device functions that it calls.

    Attributes
    ----------
    source : a module with ``kernel(x, z, n, k, yf, yi, counts)``
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._fresh = 0
        functions = [self._device_function(f"f{number}") for number in range(self._random.randrange(3))]
        names = [f"f{number}" for number in range(len(functions))]
        self.source = "\n".join([HEADER, *functions, self._kernel(names)])

    def _name(self, prefix: str) -> str:
        self._fresh += 1
        return f"{prefix}{self._fresh}"

    def _one(self, *choices: str) -> str:
        return self._random.choice(choices)

    # expressions

    def _integer(self, scope: _Scope, depth: int = 2) -> str:
        if depth == 0 or self._random.random() < 0.3:
            element = f"n[{self._index(scope, SIZE, 0)}]" if "z" in scope.arrays else "SCALE"
            return self._one(*scope.integers, str(self._random.randrange(50)), element, "SCALE")
        one, other = self._integer(scope, depth - 1), self._integer(scope, depth - 1)
        return self._one(
            f"(({one} {self._one('+', '*', '-', '^', '|', '&')} {other}) % 997)",
            f"({one} // {self._random.randrange(1, 9)})",
            f"{self._one('min', 'max')}({one}, {other})",
            f"abs({one} - {other})",
            f"({one} if {self._condition(scope)} else {other})",
            f"WHOLE[{self._index(scope, 3, 0)}, {self._index(scope, 4, 0)}]",
            f"int64(int32({one}) >> {self._random.randrange(3)})",
        )

    def _float(self, scope: _Scope, depth: int = 2) -> str:
        if depth == 0 or self._random.random() < 0.3:
            array = self._one(*scope.arrays)
            return self._one(
                *scope.floats, f"{self._random.random():.3f}", f"{array}[{self._index(scope, _LENGTHS[array], 0)}]"
            )
        one, other = self._float(scope, depth - 1), self._float(scope, depth - 1)
        choices = [
            f"({one} {self._one('+', '-', '*')} {other}) * 0.5",
            f"math.{self._one('sin', 'cos', 'tanh', 'atan')}({one})",
            f"math.sqrt(abs({one}))",
            f"({one} / (1.5 + abs({other})))",
            f"({one} if {self._condition(scope)} else {other})",
            f"float64({self._integer(scope, depth - 1)}) / 997.0",
            f"{self._one('min', 'max')}({one}, {other})",
        ]
        choices += [f"{name}({one}, {self._integer(scope, depth - 1)}, x)" for name in scope.functions]
        return self._one(*choices)

    def _condition(self, scope: _Scope) -> str:
        one, other = self._integer(scope, 0), self._integer(scope, 0)
        return f"{one} {self._one('<', '<=', '==', '!=', '>')} {other}"

    def _index(self, scope: _Scope, length: int, depth: int = 1) -> str:
        name = self._one(*scope.integers)
        return f"({self._integer(scope, depth) if depth else name}) % {length}"

    # statements

    def _statements(self, scope: _Scope, count: int, indent: str, depth: int = 2) -> list[str]:
        lines = []
        for _ in range(count):
            kind = self._random.randrange(8 if depth else 5)
            if kind < 2:
                lines.append(f"{indent}{self._one(*scope.floats)} = {self._float(scope)}")
            elif kind == 2:
                lines.append(f"{indent}{self._one(*scope.integers)} = {self._integer(scope)}")
            elif kind == 3 and "own" in scope.arrays:
                lines.append(f"{indent}own[{self._index(scope, 4)}] = {self._float(scope)}")
            elif kind <= 4:
                both = f"{self._float(scope, 1)}, {self._integer(scope, 1)}"
                lines.append(f"{indent}{self._one(*scope.floats)}, {self._one(*scope.integers)} = {both}")
            elif kind == 5:
                lines.append(f"{indent}if {self._condition(scope)}:")
                lines += self._statements(scope, 2, indent + "    ", depth - 1)
                lines.append(f"{indent}else:")
                lines += self._statements(scope, 1, indent + "    ", depth - 1)
            elif kind == 6:
                counter = self._name("r")
                lines.append(f"{indent}for {counter} in range({self._random.randrange(1, 4)}):")
                inner = _Scope([*scope.integers, counter], scope.floats, scope.arrays, scope.functions)
                lines += self._assigned_only(inner, counter, indent + "    ", depth - 1)
            else:
                counter = self._name("w")
                lines += [f"{indent}{counter} = 0", f"{indent}while {counter} < {self._random.randrange(1, 4)}:"]
                lines += [f"{indent}    {counter} += 1", *self._statements(scope, 1, indent + "    ", depth - 1)]
        return lines

    def _assigned_only(self, scope: _Scope, counter: str, indent: str, depth: int) -> list[str]:
        """Return statements that read a counter and do not assign it."""
        target = self._one(*scope.floats)
        rest = _Scope([each for each in scope.integers if each != counter], scope.floats, scope.arrays, scope.functions)
        return [f"{indent}{target} = {self._float(scope)}", *self._statements(rest, 1, indent, depth)]

    # functions

    def _device_function(self, name: str) -> str:
        scope = _Scope(["i", "j"], ["a", "b"], ["x", "TABLE"])
        inlined = self._random.random() < 0.5
        body = ["    j = i % 7", "    b = a * 0.5"]
        if self._random.random() < 0.5:
            scope.arrays.append("own")
            body += [
                "    own = cuda.local.array(4, float64)",
                "    for s in range(4):",
                "        own[s] = a * 0.125 * s",
            ]
        body += self._statements(scope, self._random.randrange(1, 4), "    ")
        if self._random.random() < 0.3:
            body += ["    if i > 40:", f"        return {self._float(scope, 1)}"]
        option = ", inline='always'" if inlined else ""
        head = [f"@cuda.jit(device=True{option})", f"def {name}(a, i, x):"]
        return "\n".join([*head, *body, f"    return b + {self._float(scope, 1)}", ""])

    def _kernel(self, functions: list[str]) -> str:
        scope = _Scope(["t", "g", "p", "q"], ["a", "b", "c"], ["x", "z", "TABLE"], functions)
        start = [
            "@cuda.jit",
            "def kernel(x, z, n, k, yf, yi, counts):",
            "    t, g = cuda.threadIdx.x, cuda.grid(1)",
            "    p, q = n[g], k",
            "    a, b, c = x[g], z[g], 0.25",
        ]
        if self._random.random() < 0.6:
            scope.arrays.append("own")
            start += ["    own = cuda.local.array(4, float64)", "    for s in range(4):", "        own[s] = a + s"]
        if self._random.random() < 0.4:
            scope.arrays.append("view")
            start.append("    view = x[3:]")
        keep = [(name, name + "0") for name in ("t", "g")]
        start += [f"    {copy} = {name}" for name, copy in keep]
        body = self._statements(scope, self._random.randrange(2, 6), "    ")
        if self._random.random() < 0.6:
            kind = self._one("float32", "float64")
            body += [f"    part = cuda.shared.array({THREADS}, {kind})", f"    part[t0] = {self._float(scope)}"]
            body.append("    cuda.syncthreads()")
            scope.arrays.append("part")
            body += self._statements(scope, self._random.randrange(1, 4), "    ")
        if self._random.random() < 0.5:
            body.append(f"    cuda.atomic.add(counts, {self._index(scope, 4)}, {self._integer(scope, 1)})")
        end = ["    yf[g0] = a + b + c", "    yi[g0] = (p + q + t) % 997", ""]
        return "\n".join([*start, *body, *end])
