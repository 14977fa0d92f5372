"""Implementations that compute a part of the outputs: dispatch joins them, and the tools judge and time that part."""

import numpy as np
import pytest

import kernels
from kernels import OPS, Implementation, OptionError
from workbench.benching.entrant import of_implementation
from workbench.cases import named_cases
from workbench.checking import InProcess, Subject
from workbench.cli import listing
from workbench.oracle.spot import spot
from workbench.sampling import Case

SHAPES = (3, 4), (3, 5), (4, 5)


def dx_alone(dy, x, w, dx):
    dx[...] = dy @ w


def weights_alone(dy, x, w, dw, db):
    dw[...] = dy.T @ x
    db[...] = dy.sum(axis=0)


def everything(dy, x, w, dx, dw, db):
    dx[...], dw[...], db[...] = 1, 2, 3


def entry(function, computes=None, **more):
    return Implementation(
        op="dense_backward", device="cpu", algorithm="test", target=function, computes=computes, **more
    )


DX = entry(dx_alone, ("dx",))
WEIGHTS = entry(weights_alone, ("dw", "db"), when="two samples or more", accepts=lambda shapes, *_: shapes["dy"][0] > 1)
ALL = entry(everything)


@pytest.fixture
def register():
    """Put implementations before the built-in one, the first one first."""

    def put(*entries):
        for each in reversed(entries):
            kernels.register(each, preferred=True)

    return put


def first_line(batch=3):
    shapes = [(batch, *shape[1:]) for shape in SHAPES[:2]]
    return kernels.explain("dense_backward", *shapes, SHAPES[2]).splitlines()[0]


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        pytest.param([DX, WEIGHTS], "dx_alone (test) for dx and weights_alone (test) for dw, db", id="two parts"),
        pytest.param([WEIGHTS, DX], "dx_alone (test) for dx and weights_alone (test) for dw, db", id="other order"),
        pytest.param([DX, WEIGHTS, ALL], "dx_alone (test) for dx and weights_alone (test) for dw, db", id="whole last"),
        pytest.param([ALL, DX, WEIGHTS], "everything (test)", id="whole first"),
        pytest.param([DX, ALL, WEIGHTS], "everything (test)", id="whole between: it runs alone"),
        pytest.param([DX], "dense_backward_cpu (panels)", id="the built-in one for the rest, so for all"),
    ],
)
def test_the_first_of_each_output_runs(entries, chosen, register):
    register(*entries)
    assert first_line().startswith(f"dense_backward runs {chosen} ")


def test_a_part_that_does_not_accept_is_passed_over(register):
    register(DX, WEIGHTS)
    assert "dense_backward_cpu" in first_line(batch=1)


def test_parts_give_the_whole(register, sample):
    call = sample("dense_backward")
    dy, x, w = call.arrays.values()
    register(DX, WEIGHTS)
    out = call()
    np.testing.assert_array_equal(out[0], dy @ w)
    np.testing.assert_array_equal(out[1], dy.T @ x)
    np.testing.assert_array_equal(out[2], dy.sum(axis=0))
    given = tuple(np.empty_like(each) for each in out)
    assert call(out=given) is given
    np.testing.assert_array_equal(given[1], out[1])


def test_an_output_that_none_computes(sample, refuses):
    op = kernels.Op(
        **{name: getattr(kernels.OPS["dense_backward"], name) for name in kernels.Op.__dataclass_fields__}
        | {"name": "my_backward"}
    )
    kernels.register(op)
    kernels.register(Implementation(op="my_backward", device="cpu", algorithm="t", target=dx_alone, computes=("dx",)))
    with refuses(OptionError, "dw of my_backward", "no implementation on cpu"):
        kernels.explain("my_backward", *SHAPES)


def test_the_rule_is_shown(register):
    register(DX, WEIGHTS)
    text = kernels.explain("dense_backward", *SHAPES)
    assert "  chosen   weights_alone for two samples or more" in text.splitlines()
    (row,) = [row for row in listing.rows() if row[0] == "dense_backward"]
    cell = row[listing.COLUMNS.index("cpu")]
    assert cell.startswith("test (dx), test (dw, db; two samples or more), ")


def judge(implementation):
    subject = Subject(implementation=implementation, label="cpu")
    shapes = dict(zip(("dy", "x", "w"), SHAPES, strict=True))
    case = Case(
        op="dense_backward", dtype="float32", shapes=shapes, options={}, family="normal", layout="contiguous", seed=1
    )
    return InProcess(subject).run(case)


def test_check_judges_the_part():
    assert judge(DX).fault is None
    assert judge(WEIGHTS).fault is None

    def wrong(dy, x, w, dw, db):
        weights_alone(dy, x, w, dw, db)
        db += 1

    assert judge(entry(wrong, ("dw", "db"))).fault.reason.startswith("db[")


def test_bench_times_and_judges_the_part():
    case = named_cases("dense_backward")[0]
    inputs = case.arrays("float32")
    for implementation in (DX, WEIGHTS):
        entrant = of_implementation(Subject(implementation=implementation, label="cpu"), case, inputs, "float32", "")
        truth = spot(OPS[case.op], inputs, case.options, "float32")
        assert truth.fault(entrant.outputs(), entrant.computes)
        entrant.call()
        assert truth.fault(entrant.outputs(), entrant.computes) == ""
