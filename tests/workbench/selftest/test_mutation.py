"""The planted faults: they are what they say, the unspoiled source passes, and the checker finds them."""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

import kernels
from kernels import OPS, Implementation
from workbench.checking import InProcess, Subject, check
from workbench.selftest.equivalent import EQUIVALENT
from workbench.selftest.mutation import OPERATORS, build, load, mutants

ALL = mutants()
BY_NAME = {mutant.name: mutant for mutant in ALL}
ROOT = Path(kernels.__file__).parent.parent
DEVICES = ("cpu", "cuda")
LEAST = 5
"""Mutants of every implementation, at least."""


def named(mutant):
    return mutant.name


def of(op, device):
    return [mutant for mutant in ALL if (mutant.op, mutant.device) == (op, device)]


def checked(op, device, target, examples):
    implementation = Implementation(op=op, device=device, algorithm="mutant", target=target)
    subject = Subject(implementation=implementation, label="cpu" if device == "cpu" else "sim")
    return check(subject, InProcess(subject), dtype="float32", examples=examples, shrink=False)


@pytest.fixture
def simulator(request, few_simulated_threads):
    """The simulator."""
    if request.config.getoption("require_gpu"):
        pytest.skip("the simulator is off under --require-gpu")


def test_names_are_unique_and_in_a_stable_order(run_python):
    assert len(BY_NAME) == len(ALL)
    code = "from workbench.selftest.mutation import mutants; print(*(mutant.name for mutant in mutants()), sep='\\n')"
    assert run_python(code, PYTHONHASHSEED="1").splitlines() == [mutant.name for mutant in ALL]


def test_listing_imports_no_kernel(run_python):
    code = (
        "import sys; from workbench.selftest.mutation import mutants; mutants(); "
        "print([name for name in sys.modules if name == 'numba' or name.endswith(('.cpu', '.cuda'))])"
    )
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("device", DEVICES)
def test_every_implementation_has_mutants(op_name, device):
    assert len(of(op_name, device)) >= LEAST


def test_every_operator_has_mutants():
    assert {mutant.operator for mutant in ALL} == set(OPERATORS)


@cache
def heads(where):
    """The statements that start on a line, each in one line without what is inside."""
    file, _, line = where.rpartition(":")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == int(line)]
    return [ast.unparse(statement).splitlines()[0] for statement in statements]


@pytest.mark.parametrize("device", DEVICES)
def test_mutants_differ_from_the_source_that_they_name(op_name, device):
    for mutant in of(op_name, device):
        assert mutant.before in heads(mutant.where), mutant
        assert mutant.after != mutant.before, mutant
        assert "\n" not in mutant.after, mutant
        assert f" {mutant.operator}: " in mutant.name, mutant


@pytest.mark.parametrize("device", DEVICES)
def test_mutants_compile_as_python(op_name, device):
    op = OPS[op_name]
    parameters = [*(item.name for item in op.inputs), *(option.name for option in op.options), *op.outputs]
    for mutant in of(op_name, device):
        function = build(mutant)
        assert inspect.isfunction(function), mutant
        assert function.__name__ == f"{op_name}_{device}", mutant
        assert list(inspect.signature(function).parameters) == parameters, mutant


def test_the_unspoiled_source_passes(op_name):
    result = checked(op_name, "cpu", load(op_name, "cpu"), 10)
    assert result.status == "pass", result.reason


@pytest.mark.usefixtures("simulator")
def test_the_unspoiled_source_passes_in_the_simulator(op_name):
    result = checked(op_name, "cuda", load(op_name, "cuda"), 2)
    assert result.status == "pass", result.reason


def test_building_a_mutant_spoils_nothing_else():
    mutant = BY_NAME["pool2d.scalars.replaces boundary: value > best -> value >= best"]
    build(mutant)
    scalars = load("max_pool2d", "cpu").__globals__
    assert scalars["replaces"](1.0, 0.0)
    assert not scalars["replaces"](1.0, 1.0)
    from kernels.ops.pool2d.scalars import replaces

    assert not replaces.py_func(1.0, 1.0)


@pytest.mark.parametrize("name", EQUIVALENT)
def test_equivalent_mutants_exist(name):
    assert name in BY_NAME
    assert EQUIVALENT[name].endswith(".")


@pytest.mark.parametrize("name", [name for name in EQUIVALENT if BY_NAME[name].device == "cpu"])
def test_equivalent_mutants_pass(name):
    mutant = BY_NAME[name]
    result = checked(mutant.op, mutant.device, build(mutant), 30)
    assert result.status == "pass", result.reason


def a_sample():
    """One mutant of every operator that has one on the CPU, the first that is a fault."""
    faults = [mutant for mutant in ALL if mutant.name not in EQUIVALENT and mutant.device == "cpu"]
    return list({mutant.operator: mutant for mutant in reversed(faults)}.values())


@pytest.mark.parametrize("mutant", a_sample(), ids=named)
def test_a_sample_is_found_on_the_cpu(mutant):
    result = checked(mutant.op, mutant.device, build(mutant), 200)
    assert result.status == "fail", f"not caught in {result.examples} examples"


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    "name",
    [
        "relu.cuda._backward boundary: x[i] <= zero -> x[i] < zero",
        "compile.indexing.window_at boundary: position < 0 -> position <= 0",
        "pool2d.cuda.avg_pool2d_cuda flag: True -> False",
    ],
)
def test_a_sample_is_found_in_the_simulator(name):
    mutant = BY_NAME[name]
    result = checked(mutant.op, mutant.device, build(mutant), 100)
    assert result.status == "fail", f"not caught in {result.examples} examples"
