"""Predicted times from the command line: what they follow, what is refused, what the reports hold."""

import json

import pytest

from workbench.benching.predicted import predictions
from workbench.cli import run
from workbench.predicting import counted_targets
from workbench.system.errors import InputError
from workbench.target.resolve import Target

KERNELS = """
from numba import cuda, float32
from workbench import implements

SIDE, PADDED = 32, 33


def over(y):
    return (-(-y.shape[1] // 32), -(-y.shape[0] // 32))


@implements("relu", grid=over, block=(32, 32))
@cuda.jit
def by_rows(x, y):
    j, i = cuda.grid(2)
    if i < y.shape[0] and j < y.shape[1]:
        y[i, j] = max(x[i, j], float32(0))


@implements("relu", grid=over, block=(32, 32))
@cuda.jit
def by_columns(x, y):
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.y * 32 + tx, cuda.blockIdx.x * 32 + ty
    if i < y.shape[0] and j < y.shape[1]:
        y[i, j] = max(x[i, j], float32(0))


@implements("relu", grid=over, block=(32, 32))
@cuda.jit
def conflicting(x, y):
    tile = cuda.shared.array((SIDE, SIDE), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    tile[tx, ty] = x[i, j]
    cuda.syncthreads()
    y[i, j] = max(tile[tx, ty], float32(0))


@implements("relu", grid=1, block=32)
@cuda.jit
def in_one_thread(x, y):
    if cuda.grid(1) == 0:
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                y[i, j] = max(x[i, j], float32(0))


def host(x, y):
    by_rows[over(y), (32, 32)](x, y)
    by_rows[over(y), (32, 32)](x, y)


twice = implements("relu")(host)


@implements("relu", grid=over, block=(32, 32))
@cuda.jit
def by_first_block(x, y):
    j, i = cuda.grid(2)
    total = float32(0)
    if cuda.blockIdx.x == 0 and cuda.blockIdx.y == 0:
        for k in range(500):
            total += x[k % x.shape[0], j]
    if i < y.shape[0] and j < y.shape[1]:
        y[i, j] = max(x[i, j], total * float32(0))


@implements("relu", grid=lambda y: y.shape[7], block=32)
@cuda.jit
def with_a_wrong_grid(x, y):
    y[0, 0] = x[0, 0]
"""


@pytest.fixture
def workbench(capfd, warm_children, tmp_path):
    """Run a command on a file of kernels; return exit code, output and errors."""
    (tmp_path / "kernels.py").write_text(KERNELS)

    def invoke(command, *arguments):
        words = [str(tmp_path / each) if each.startswith("kernels.py") else each for each in arguments]
        code = run([command, *words])
        return code, *capfd.readouterr()

    return invoke


@pytest.fixture
def predicted(workbench, tmp_path):
    """Predict kernels; return their predictions by name."""

    def invoke(*arguments):
        path = tmp_path / "counters.json"
        code, _, err = workbench("inspect", *arguments, "--device", "sim", "--json", str(path))
        assert code == 0, err
        found = json.loads(path.read_text())["counters"]
        return {each["implementation"]: [one["prediction"] for one in each["launches"]] for each in found}

    return invoke


def test_slower_kernels_are_predicted_slower(predicted):
    names = ("by_rows", "by_columns", "conflicting")
    found = predicted(*(f"kernels.py:{name}" for name in names), "--case", "x=2048x2048", "--gpu", "h100")
    (rows,), (columns,), (conflicts,) = (found[name] for name in names)
    assert 3 * rows["predicted_ms"] < columns["predicted_ms"]
    assert rows["predicted_ms"] < conflicts["predicted_ms"]
    for each in (rows, columns, conflicts):
        assert 0 < each["least_ms"] <= each["predicted_ms"] <= each["most_ms"]
        assert max(each["bounds_ms"].values()) <= each["predicted_ms"] * 1.0001
        assert each["binds"] == max(each["bounds_ms"], key=each["bounds_ms"].get)
    assert rows["bounds_ms"]["L2"] > 0  # 2 x 16 MiB are not in a cache of 50 MiB by half
    assert columns["binds"] == "stores"
    assert [each["line"] for each in columns["mended"]] == [columns["line"]["line"]]
    assert columns["mended"][0]["predicted_ms"] < columns["predicted_ms"] / 3
    assert conflicts["mended"][0]["predicted_ms"] < conflicts["predicted_ms"]


def test_a_stream_takes_its_bytes_at_the_bandwidth_of_memory(predicted):
    ((large,),) = predicted("kernels.py:by_rows", "--case", "x=8192x4096", "--gpu", "a6000").values()
    gbps = 2 * 4 * 8192 * 4096 / large["predicted_ms"] / 1e6
    assert 0.6 * 768 < gbps < 768
    assert large["binds"] == "memory"
    ((half,),) = predicted("kernels.py:by_rows", "--case", "x=4096x4096", "--gpu", "a6000").values()
    assert large["predicted_ms"] == pytest.approx(2 * half["predicted_ms"], rel=0.05)


def test_a_faster_memory_is_predicted_faster(predicted):
    times = [
        predicted("kernels.py:by_rows", "--case", "x=4096x4096", "--gpu", gpu)["by_rows"][0]["predicted_ms"]
        for gpu in ("t4", "a6000", "a100", "h100")
    ]
    assert times == sorted(times, reverse=True)


def test_one_thread_shows_as_what_it_is(predicted, workbench):
    ((found,),) = predicted("kernels.py:in_one_thread", "--case", "x=256x256", "--gpu", "h100").values()
    assert found["binds"] == "latency"
    assert found["warp_cycles"] > 256 * 256 * 8
    assert found["predicted_ms"] == pytest.approx(found["warp_cycles"] / 1.98e6, rel=0.1)
    code, out, _ = workbench(
        "inspect", "kernels.py:in_one_thread", "--device", "sim", "--case", "x=256x256", "--gpu", "h100"
    )
    assert code == 0
    assert "predicted for H100 SXM: " in out
    assert "limited by latency" in out
    assert "the longest warp by itself" in out


def test_launches_add_up(workbench):
    code, out, _ = workbench("inspect", "kernels.py:twice", "--device", "sim", "--case", "x=64x64", "--gpu", "t4")
    assert code == 0
    assert "host: 2 launches, predicted " in out


def test_blocks_that_differ_are_told(workbench):
    words = ("--device", "sim", "--case", "x=512x512", "--gpu", "h100")
    code, out, _ = workbench("inspect", "kernels.py:by_first_block", *words)
    assert code == 0
    assert "and stand for all others: the time may be far off" in out
    assert "far off" not in workbench("inspect", "kernels.py:by_rows", *words)[1]


def test_what_host_code_raises_is_one_line(workbench):
    code, out, err = workbench("inspect", "kernels.py:with_a_wrong_grid", "--device", "sim", "--case", "x=64x64")
    assert (code, out) == (2, "")
    assert "with_a_wrong_grid: raises IndexError" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inspect", "kernels.py", "--device", "sim", "--gpu", "v100"), "--gpu v100: no figures of this GPU are known"),
        (("inspect", "kernels.py", "--gpu", "h100"), "--gpu: is for counters; add --device sim"),
        (
            ("inspect", "relu", "--device", "sim", "--gpu", "h100", "--cc", "80"),
            "--cc 80: the compute capability of H100",
        ),
        (
            ("inspect", "relu", "--device", "sim", "--gpu", "h100", "--case", "none-*"),
            "--case none-*: no named case of relu",
        ),
        (("roofline", "--gpu", "h100", "--threads", "2"), "--gpu: nothing is measured"),
        (("roofline", "relu", "--gpu", "h100", "--device", "cpu"), "--gpu: nothing is measured"),
        (("roofline", "relu", "--gpu", "nothing"), "--gpu nothing: no figures"),
        (("check", "relu", "--counters"), "--counters: is for the simulator"),
    ],
)
def test_misuse_is_one_line(workbench, arguments, said):
    code, out, err = workbench(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.long
def test_kernels_are_drawn_under_the_roofs_of_a_gpu(workbench, tmp_path):
    picture, document = tmp_path / "roof.svg", tmp_path / "roof.json"
    code, out, err = workbench(
        "roofline",
        "relu",
        "dense",
        "--case",
        "lenet-*",
        "--gpu",
        "a100",
        "--out",
        str(picture),
        "--json",
        str(document),
    )
    assert code == 0, err
    assert "nothing is measured" in out
    assert "A100 SXM 80 GB, predicted" in picture.read_text()
    found = json.loads(document.read_text())
    assert {each["op"] for each in found["predictions"]} == {"relu", "dense"}
    assert all(0 < each["gflops"] < found["peaks"]["a100"]["gflops"]["float32"] for each in found["predictions"])
    assert found["peaks"]["a100"]["gflops"]["float32"] == pytest.approx(19491, abs=1)


def test_the_check_adds_totals(workbench, tmp_path):
    document = tmp_path / "check.json"
    code, out, err = workbench(
        *("check", "relu", "--device", "sim", "--counters", "--examples", "1", "--dtype", "float32"),
        *("--json", str(document)),
    )
    assert code == 0, err
    assert "\ncounters, of the blocks that are recorded:\n" in out
    (total,) = json.loads(document.read_text())["counters"]
    assert (total["op"], total["dtype"], total["launches"], total["shared_conflicts"]) == ("relu", "float32", 1, 0)


def test_what_is_wrong_is_not_counted(workbench, tmp_path):
    """The kernel does not guard its indices."""
    document = tmp_path / "check.json"
    code, out, _ = workbench(
        *("check", "kernels.py:conflicting", "--device", "sim", "--counters", "--dtype", "float32"),
        *("--json", str(document)),
    )
    assert code == 1
    assert "counters, of the blocks" not in out
    assert json.loads(document.read_text())["counters"] == []


@pytest.mark.long
def test_a_benchmark_on_a_known_gpu_has_predictions_beside_it():
    rows = [
        {"op": "relu", "case": "lenet-r1", "implementation": "relu_cuda", "dtype": "float32", "device": "cuda"}
        | {"verified": True, "median_ms": 0.004}
    ]
    (found,) = predictions(rows, [Target(text="relu")], None, "NVIDIA H100 80GB HBM3")
    assert (found["measured_ms"], found["gpu"]) == (0.004, "h100")
    assert 0.002 < found["predicted_ms"] < 0.02
    assert predictions(rows, [], None, "NVIDIA H100 80GB HBM3")[0]["predicted_ms"] == found["predicted_ms"]
    assert predictions(rows, [], None, "another") == []
    assert predictions(rows, [], None, None) == []


def test_a_missing_compiler_is_told_before_the_simulation(workbench, monkeypatch):
    def refuse(*_, **__):
        raise InputError("PTX and SASS need NVRTC, not installed here")

    monkeypatch.setattr(counted_targets, "elsewhere", refuse)
    monkeypatch.setattr(counted_targets, "call_elsewhere", lambda *_, **__: pytest.fail("simulated"))
    code, out, err = workbench("inspect", "relu", "--device", "sim", "--gpu", "h100")
    assert (code, out) == (2, "")
    assert "PTX and SASS need NVRTC" in err
