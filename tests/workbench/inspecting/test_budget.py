"""Budgets of CUDA kernels: a build fails if a kernel exceeds its budget; no GPU is needed."""

import json
import os
import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from benchmarks.cuda_gate import COMPUTE_CAPABILITIES
from kernels.ops import IMPLEMENTATIONS
from workbench.cases import named_cases
from workbench.inspecting.cuda.budget import CompiledCost, Key, faults, other_tools, read_budget, rows, write_budget
from workbench.system.errors import InputError

BUILT_IN = Path(__file__).parents[3] / "benchmarks" / "cuda_budget.json"
SLOW = Path(__file__).parents[2] / "slow_kernels" / "gpu.py"

KEY = Key("my_relu", "kernel", "float32", "9.0")
COST = CompiledCost(
    registers=32,
    spilled_bytes=0,
    local_bytes=0,
    shared_bytes=1024,
    float64_instructions=0,
    load_bits=64,
    multiply_add_percent=50,
)

WORSE = {
    "single_sum": ("single_sum", "double_sum", "float64 instructions"),
    "indexed_by_constants": ("indexed_by_constants", "indexed_locally", "bytes of local memory"),
    "fitting_tile": ("tiled_dense of fitting_tile", "spilling_tile", "bytes spilled"),
}
"""Names in that file -> the kernel as a budget calls it, its slower twin, and what is worse there."""


@pytest.mark.parametrize("figure", [each.name for each in fields(CompiledCost)])
def test_every_figure_may_get_better_and_not_worse(figure):
    worse, better = (1, -1) if figure not in ("load_bits", "multiply_add_percent") else (-1, 1)
    own = getattr(COST, figure)
    more, less = replace(COST, **{figure: own + worse}), replace(COST, **{figure: own + better})
    (line,) = faults({KEY: more}, {KEY: COST})
    assert line.startswith(f"kernel of my_relu, float32 on 9.0: {own + worse} ")
    assert line.endswith(f"budget {own}")
    assert faults({KEY: less}, {KEY: COST}) == faults({KEY: COST}, {KEY: COST}) == []
    assert rows({KEY: more}, {KEY: COST})[0][-1] == "over"


def test_what_is_new_or_gone_is_a_fault():
    other = KEY._replace(kernel="another")
    new, gone = faults({other: COST}, {KEY: COST})
    assert "another" in new
    assert "--update-budget" in new
    assert "no longer launched" in gone
    assert faults({KEY: COST}, {KEY: COST, KEY._replace(compute_capability="8.0"): COST}) == []  # not looked at


def test_a_file_is_written_in_part(tmp_path):
    path = tmp_path / "budget.json"
    old, other = KEY._replace(kernel="old"), KEY._replace(dtype="float64")
    write_budget(path, {KEY: COST, old: COST, other: COST}, {"ptxas": "13.0"})
    less = replace(COST, registers=16)
    write_budget(path, {KEY: less}, {"ptxas": "13.1"})
    assert read_budget(path) == {KEY: less, other: COST}
    assert other_tools(path, {"ptxas": "13.1"}) == ""
    assert "ptxas 13.1 then, 13.2 now" in other_tools(path, {"ptxas": "13.2"})


LINE = json.dumps(KEY._asdict() | asdict(COST))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", '{"kernels": [{}]}', '{"kernels": 1}', "[]", "\x00", "[" * 100_000),
        f'{{"tools": [], "kernels": [{LINE}]}}',
        *(
            f'{{"tools": {{}}, "kernels": [{LINE.replace("1024", figure)}]}}'
            for figure in ("-1", "NaN", "1e999", '"1024"', "null", "9" * 5000, "[]", "true", "1.5")
        ),
    ],
)
def test_a_file_that_is_no_budget_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "budget.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a budget file"):
        read_budget(path)


@pytest.fixture
def inspect(tmp_path, warm_workbench):
    """Run ``workbench inspect`` in a folder of its own."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}

    def run(*words):
        done = warm_workbench(["inspect", *words], tmp_path, environment)
        assert "Traceback" not in done.stderr, done.stderr
        if "pip install" in done.stderr:
            pytest.skip(done.stderr.strip())
        return done

    return run


def test_what_is_planted_is_beyond_the_budget(inspect, tmp_path):
    file, source = tmp_path / "mine.py", SLOW.read_text()
    words = [*(f"mine.py:{good}" for good in WORSE), "--cc", "90", "--budget", "budget.json"]
    file.write_text(source)
    missing = inspect(*words)
    assert missing.returncode == 2
    assert "does not exist; --update-budget creates it" in missing.stderr
    assert inspect(*words, "--update-budget").returncode == 0
    kept = (tmp_path / "budget.json").read_text()
    again = inspect(*words)
    assert (again.returncode, again.stderr) == (0, "")
    assert re.search(r"^single_sum +single_sum +float32 +9\.0 +\d+ +0 +0 +0 +0 +32 +0$", again.stdout, re.MULTILINE)
    swapped = {good: slow for good, (_, slow, _) in WORSE.items()}
    swapped |= {slow: good for good, slow in swapped.items()}
    file.write_text(re.sub(r"\w+", lambda word: swapped.get(word[0], word[0]), source))
    done = inspect(*words)
    assert done.returncode == 1
    for kernel, _, worse in WORSE.values():
        assert re.search(rf"^{kernel}, float32 on 9\.0: \d+ {worse}, budget 0$", done.stdout, re.MULTILINE), done.stdout
    assert re.fullmatch(r"workbench: budget\.json: \d+ beyond the budget", done.stderr.strip())
    assert (tmp_path / "budget.json").read_text() == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relu", "--budget", "b.json"], "--device cuda"),
        (["relu", "--device", "cuda", "--update-budget"], "--budget FILE.json"),
        (["relu", "--device", "cuda", "--budget", "b.json", "--asm"], "--asm"),
        (["relu", "--device", "cuda", "--budget", "missing/b.json", "--update-budget"], "missing"),
    ],
)
def test_misuse_is_one_line(inspect, words, said):
    done = inspect(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_budgets_of_the_built_in_kernels_leave_no_room_for_what_is_slow():
    budget = read_budget(BUILT_IN)
    for key, cost in budget.items():
        assert cost.spilled_bytes == cost.local_bytes == cost.float64_instructions == 0, (key, asdict(cost))
    expected = {
        (each.name, dtype, cc)
        for each in IMPLEMENTATIONS
        if each.device == "cuda"
        for dtype in ("float32", "float64")
        for cc in ("7.5", "8.0", "9.0", "10.0")
        if each.precision is None or cc != "7.5"  # its tensor cores multiply neither tf32 nor bfloat16
        if any(each.accepts(case.shapes, case.options, dtype) for case in named_cases(each.op))
    }
    assert {(key.implementation, key.dtype, key.compute_capability) for key in budget} == expected


def test_products_by_tiles_are_multiply_adds_and_read_16_bytes():
    budget = read_budget(BUILT_IN)
    for each in IMPLEMENTATIONS:
        if each.device == "cuda" and each.algorithm.endswith("tiles"):
            own = [cost for key, cost in budget.items() if (key.implementation, key.dtype) == (each.name, "float32")]
            products = [cost for cost in own if cost.multiply_add_percent > 0]
            assert len(products) == len(COMPUTE_CAPABILITIES.split(",")), each.name
            for cost in products:
                assert cost.multiply_add_percent >= 80, (each.name, cost)
                assert cost.load_bits == 128, (each.name, cost)
