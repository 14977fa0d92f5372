"""The planted faults: they match their descriptions, the unspoiled source passes, and the checker finds them."""

import ast
import copy
import inspect
from functools import cache
from pathlib import Path

import pytest

import kernels
from kernels import OPS, Implementation
from kernels.call.registry import implementations, unregister
from workbench.selftest.equivalent import EQUIVALENT, proof
from workbench.selftest.executions import Executions
from workbench.selftest.mutation import OPERATORS, mutants, mutants_of, short_names, site_of, unit_of
from workbench.selftest.nodes import head
from workbench.selftest.planting import SIZES, build, load
from workbench.selftest.running import draw
from workbench.selftest.sources import blocks, functions_at, own_nodes, source
from workbench.selftest.speed import SPEED_ALONE
from workbench.selftest.trying import attempt, check_loaded
from workbench.selftest.units import FUSED, units, unreached

ALL = mutants()
UNITS = units()
ROOT = Path(kernels.__file__).parent.parent
LEAST = 5
"""The least number of mutants of every implementation."""


def called(each):
    return f"{each.op}-{each.device}-{each.algorithm}"


def on(device):
    return [unit for unit in UNITS if unit.device == device]


def poor():
    """The units with too few mutants, by op and algorithm."""
    return [(unit.op, unit.algorithm) for unit in units() if len(mutants_of(unit)) < LEAST]


@pytest.fixture
def simulator(request, in_the_simulator):
    """The simulator."""
    if request.config.getoption("require_gpu"):
        pytest.skip("the simulator is off under --require-gpu")


def test_units_are_the_registry_and_the_fused_programs():
    registered = [(each.op, each.device, each.algorithm) for op in OPS for each in implementations(op)]
    found = [(unit.op, unit.device, unit.algorithm) for unit in UNITS]
    assert len(found) == len(set(found))
    programs = {"cpu": ("train", "infer", "infer_each", "update"), "cuda": ("samples", "finish", "epoch")}
    assert set(found) == {*registered, *((FUSED, device, name) for device, names in programs.items() for name in names)}


def test_mutants_are_unique_and_in_a_stable_order_and_listing_them_imports_no_kernel(run_python):
    assert len({(mutant.name, called(mutant)) for mutant in ALL}) == len(ALL)
    code = (
        "import sys; from workbench.selftest.mutation import mutants; print(*(each.name for each in mutants()), sep='\\n'); "
        "print([name for name in sys.modules if name == 'numba' or name.endswith(('.cpu', '.cuda'))])"
    )
    *listed, imported = run_python(code, PYTHONHASHSEED="1").splitlines()
    assert listed == [mutant.name for mutant in ALL]
    assert imported == "[]"


def test_every_implementation_has_mutants():
    assert poor() == []


def test_an_implementation_without_mutants_is_reported():
    """The source of a function outside the package is not followed."""
    planted = Implementation(op="relu", device="cpu", algorithm="planted", target=f"{__name__}:called")
    kernels.register(planted)
    try:
        assert poor() == [("relu", "planted")]
    finally:
        unregister(planted)


@pytest.mark.parametrize("package", ["kernels.ops", "kernels.fused", "kernels.simd", "kernels.compile"])
def test_every_helper_is_reached(package):
    assert unreached(package) == []


def test_a_helper_that_nothing_reaches_is_reported(monkeypatch):
    (planted,) = ast.parse("@cpu_inline\ndef planted(x):\n    return x + 1").body
    module = next(unit.target[0] for unit in UNITS if unit.op == "relu")
    monkeypatch.setitem(source(module).definitions, planted.name, planted)
    assert unreached("kernels.ops") == [(module, "planted")]


def test_every_operator_has_mutants():
    assert {mutant.operator for mutant in ALL} == set(OPERATORS)


@cache
def heads(where):
    """The statements that start on a line, each as one line, without nested statements."""
    file, _, line = where.rpartition(":")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return [head(node) for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno == int(line)]


@pytest.mark.parametrize("unit", UNITS, ids=called)
def test_mutants_differ_from_the_source_that_they_name(unit):
    for mutant in mutants_of(unit):
        assert mutant.before in heads(mutant.where), mutant
        assert mutant.after != mutant.before, mutant
        assert "\n" not in mutant.after, mutant
        assert f" {mutant.operator}: " in mutant.name, mutant


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.op != FUSED], ids=called)
def test_mutants_have_the_signature_of_what_they_spoil(unit):
    op = OPS[unit.op]
    right = next(each for each in implementations(unit.op) if each.name == unit.target[1])
    outputs = right.of_outputs(op.outputs, op.outputs)
    parameters = [*(item.name for item in op.inputs), *(option.name for option in op.options), *outputs]
    for mutant in draw(mutants_of(unit), 0, seed=0):
        function = getattr(build(mutant, Executions()), unit.target[1])
        assert inspect.isfunction(function), mutant
        assert list(inspect.signature(function).parameters) == parameters, mutant


@pytest.mark.parametrize("unit", on("cpu"), ids=called)
def test_the_unspoiled_source_passes(unit):
    tried = check_loaded(unit, load(unit), Executions(), dtype="float32", examples=6, seed=0)
    assert (tried.reason, tried.examples) == ("", 6)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("unit", on("cuda"), ids=called)
def test_the_unspoiled_source_passes_in_the_simulator(unit):
    tried = check_loaded(unit, load(unit), Executions(), dtype="float32", examples=2, seed=0)
    assert (tried.reason, tried.examples) == ("", 2)


def test_building_a_mutant_spoils_nothing_else():
    name, unit = "scalars.replaces boundary: value > best -> value >= best", "max_pool2d-cpu-direct"
    spoiled = build(next(mutant for mutant in ALL if (mutant.name, called(mutant)) == (name, unit)), Executions())
    right = load(next(each for each in UNITS if called(each) == unit))
    assert spoiled.replaces(1.0, 1.0)
    assert not right.replaces(1.0, 1.0)
    from kernels.ops.pool2d.scalars import replaces

    assert not replaces.py_func(1.0, 1.0)


def no_edit(unit):
    """An edit of a unit's function that changes nothing."""
    (function,) = functions_at(unit.target)
    statement = function.body[-1]
    return unit.target[0], (statement, copy.deepcopy(statement))


def test_an_edit_that_changes_nothing_passes():
    unit, executed = next(unit for unit in UNITS if called(unit) == "conv2d-cpu-bands"), Executions()
    tried = check_loaded(unit, load(unit, *no_edit(unit), executed), executed, dtype="float32", examples=10, seed=0)
    assert (tried.reason, tried.executed) == ("", True)


@pytest.mark.usefixtures("simulator")
def test_an_edit_that_changes_nothing_passes_in_the_simulator():
    mutant = next(mutant for mutant in ALL if mutant.device == "cuda" and mutant.name.startswith("relu.cuda._forward"))
    unit, site = unit_of(mutant), site_of(mutant)
    executed = Executions()
    spoiled = load(unit, site.place[0], (site.edit[0], copy.deepcopy(site.edit[0])), executed.compiled())
    tried = check_loaded(unit, spoiled, executed, dtype="float32", examples=2, seed=0)
    assert (tried.reason, tried.executed) == ("", True)


def test_small_sizes_are_those_of_modules():
    modules = [*{module for unit in UNITS for module in unit.modules}, "kernels.ops.conv2d.rules"]
    for key in SIZES:
        end, _, name = key.rpartition(".")
        assert [each for each in modules if f".{each}".endswith(f".{end}") and name in source(each).definitions], key


def test_what_is_speed_alone_is_still_there():
    found = {key: set(parts) for key, (parts, _) in SPEED_ALONE.items()}
    for module, name in {place for unit in UNITS for place in unit.places}:
        key = f"{short_names()[module]}.{name}"
        for function in functions_at((module, name)) if key in found else ():
            nodes = [node for block in blocks(function) for statement in block for node in own_nodes(statement)]
            lines = [head(node) for node in nodes if isinstance(node, ast.stmt | ast.expr | ast.keyword)]
            found[key] -= {part for part in found[key] if any(line.startswith(part) for line in lines)}
    assert {key: parts for key, parts in found.items() if parts} == {}


PROVEN = {mutant.name: mutant for mutant in reversed(ALL) if mutant.name in EQUIVALENT and proof(mutant)}
"""The first equivalent mutant of every name."""


def test_equivalent_mutants_exist():
    assert PROVEN.keys() == EQUIVALENT.keys()


@pytest.mark.parametrize("name", [name for name, mutant in PROVEN.items() if mutant.device == "cpu"])
def test_equivalent_mutants_pass(name, request):
    if not request.config.getoption("codegen"):
        pytest.skip("to compile them takes the time; make test-codegen does")
    assert attempt(PROVEN[name], dtype="float32", examples=8, seed=1).reason == ""


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(("unit", "executed"), [("sum_pool2d-cuda-direct", False), ("avg_pool2d-cuda-direct", True)])
def test_statements_that_a_kernel_does_not_execute_are_known_in_the_simulator(unit, executed):
    name = "pool2d.cuda._sum arithmetic: rows * cols -> rows + cols"
    mutant = next(mutant for mutant in ALL if (mutant.name, called(mutant)) == (name, unit))
    tried = attempt(mutant, dtype="float32", examples=100, seed=0)
    assert (tried.executed, bool(tried.reason)) == (executed, executed)


def a_sample():
    """One mutant of every operator: the first that is a fault in a fast CPU implementation."""
    quick = [
        mutant for mutant in ALL if mutant.device == "cpu" and mutant.algorithm in ("direct", "batch-lanes", "panels")
    ]
    return list({mutant.operator: mutant for mutant in reversed(quick) if not proof(mutant)}.values())


@pytest.mark.parametrize("mutant", a_sample(), ids=lambda mutant: mutant.operator)
def test_a_sample_is_found_on_the_cpu(mutant):
    tried = attempt(mutant, dtype="float32", examples=200, seed=0)
    assert tried.reason, f"not caught in {tried.examples} examples"


@pytest.mark.parametrize(
    "name",
    [
        "convolution._product accumulation: source += step.source_channel -> source = step.source_channel",
        "samples.softmax accumulation: total += scores[number] -> total = scores[number]",
        "optimizer.apply arithmetic: momentum * first[i] + gradient -> momentum * first[i] - gradient",
        "one_sample._dense arithmetic: weights[",
        "pooling.max_pool_backward accumulation: at += step.source_column",
        "step.train dropped: _wait(counters, done)",
    ],
)
def test_a_sample_is_found_in_the_fused_step(name):
    found = [mutant for mutant in ALL if mutant.name.startswith(name)]
    assert found
    for mutant in found:
        assert attempt(mutant, dtype="float32", examples=40, seed=0).reason, mutant


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    "name",
    [
        "relu.cuda._backward boundary: x[i] <= zero -> x[i] < zero",
        "indexing.window_at boundary: position < 0 -> position <= 0",
        "pool2d.cuda.avg_pool2d_cuda flag: True -> False",
    ],
)
def test_a_sample_is_found_in_the_simulator(name):
    mutant = next(mutant for mutant in ALL if mutant.name == name and mutant.device == "cuda")
    assert attempt(mutant, dtype="float32", examples=100, seed=0).reason
