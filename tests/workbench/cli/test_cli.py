"""The command line: what it prints, where, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest

import kernels
from kernels.call import registry
from workbench.cli import listing, workbench
from workbench.sampling import Case
from workbench.system import render

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


COMMANDS = sorted(workbench.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"workbench {command}" in out.split("Example", 1)[1]


def test_help_lists_the_commands_without_loading_numba(run_python):
    kept = {"bench", "check", "eval", "filter", "info", "inspect", "ops", "predict", "roofline", "train"}
    assert kept <= {*COMMANDS}
    out = run_python(
        "import sys; from workbench.cli import run; run(['--help']); print({'numba', 'numpy'} & {*sys.modules})"
    )
    assert all(command in out for command in COMMANDS)
    assert out.splitlines()[-1] == "set()"


def test_no_command_is_a_misuse_that_shows_the_help(call):
    code, out, err = call()
    assert code == 2
    assert out == ""
    assert "Usage: workbench" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], ["No such command 'chek'. Did you mean 'check'? See 'workbench --help'"]),
        (["train", "--epochs", "0"], ["workbench train", "--epochs", "0"]),
        (["train", "--epochs"], ["--epochs", "argument"]),
        (["train", "--no-such-option"], ["--no-such-option"]),
        (["train", "--model", "lenet6"], ["lenet6", "lenet5"]),
        (["train", "--model", "conv 6 5x5 | dense 9"], ["layer 2 (dense 9)", "10 classes"]),
        (["train", "--data", "nowhere"], ["nowhere"]),
        (["train", "--image-size", "0x3"], ["0x3", "HEIGHTxWIDTH"]),
        (["train", "--threads", "1000"], ["--threads 1000", "at most"]),
        (["train", "--lr", "0"], ["--lr"]),
        (["eval", "nowhere"], ["nowhere", "no such folder"]),
        (["predict", "nowhere"], ["IMAGE"]),
        (["predict", "nowhere", "x.png"], ["nowhere", "no such folder"]),
        (["check", "conv3d"], ["unknown operation 'conv3d'", "did you mean conv2d?"]),
        (["check", "xyz"], ["unknown operation 'xyz'", "must be one of conv2d"]),
        (["check", "--device", "gpu"], ["gpu"]),
        (["check", "--examples", "0"], ["--examples"]),
        (["check", "--replay", "rubbish"], ["--replay", "token"]),
        (["check", "relu", "--names", "A=x"], ["--names", "for a kernel of yours"]),
        (["check", "x.py", "--names", "A:x"], ["--names", "A=x,B=w"]),
        (["check", "x.py", "--grid", "1 +"], ["--grid", "-(-y.size // 128)"]),
        (["check", "relu", "--junit", "no/such/folder/x.xml"], ["--junit", "cannot be written"]),
        (["check", "relu", "--device", "cuda"], ["--device cuda", "NUMBA_ENABLE_CUDASIM"]),
        (["info", "--json", "no/such/folder/x.json"], ["--json", "x.json", "cannot be written"]),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(refused, monkeypatch, tmp_path, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(arguments, *words)
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_a_missing_gpu_names_the_remedy(tmp_path):
    done = command_line("check", "relu", "--device", "cuda", cwd=tmp_path, NUMBA_ENABLE_CUDASIM="0")
    if done.returncode == 0:
        pytest.skip("there is a GPU")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "NVIDIA driver" in done.stderr
    assert "--device sim" in done.stderr
    assert "NUMBA_ENABLE_CUDASIM" not in done.stderr


def command_line(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_info_tells_the_machine(call):
    code, out, err = call("info")
    assert (code, err) == (0, "")
    for name in ("CPU", "cores", "SIMD", "threading layer", "GPU", "numba", "numpy"):
        assert any(line.startswith(name) for line in out.splitlines()), name
    code, out, _ = call("info", "--json", "-")
    facts = json.loads(out)
    assert facts["versions"]["numpy"] == np.__version__
    assert facts["cores"] >= 1


def test_the_page_shows_the_registry_as_it_is(call):
    code, out, _ = call("ops", "--markdown")
    assert code == 0
    assert OPERATIONS.read_text().endswith(f"\n\n{out}"), (
        "docs/operations.md: put there what this prints: workbench ops --markdown"
    )
    assert render.markdown_table(listing.COLUMNS, listing.rows()) == out.strip()


def test_ops_lists_every_operation(call):
    code, out, _ = call("ops")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(kernels.OPS)
    _, out, _ = call("ops", "--json", "-")
    assert [row["operation"] for row in json.loads(out)["operations"]] == list(kernels.OPS)


def test_check_prints_a_row_per_implementation_and_dtype(call, tmp_path):
    target = tmp_path / "check.json"
    code, out, _ = call("check", "relu", "avg_pool2d", "--examples", 15, "--json", target)
    assert code == 0
    assert out.splitlines()[-1] == "6 pass"
    results = json.loads(target.read_text())
    assert results["schema"] == 1
    assert [(row["implementation"], row["dtype"]) for row in results["results"]] == [
        (name, dtype)
        for name in ("relu_cpu", "avg_pool2d_vectors_cpu", "avg_pool2d_cpu")
        for dtype in ("float32", "float64")
    ]
    row = results["results"][4]
    assert set(row) == {
        *("op", "implementation", "device", "dtype", "status", "examples"),
        *("worst_share_of_bound", "reason", "counterexample", "notes", "families", "target"),
    }
    assert (row["status"], row["examples"], row["counterexample"]) == ("pass", 15, None)
    assert 0 < row["worst_share_of_bound"] <= 1


def test_check_leaves_nothing_in_the_working_directory(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, _ = call("check", "relu", "--examples", 5)
    assert code == 0
    assert list(tmp_path.iterdir()) == []


def test_check_reports_a_failure_with_its_smallest_case_and_a_replay(call, monkeypatch):
    wrong = kernels.Implementation(op="sum_pool2d", device="cpu", algorithm="wrong", target=first_tap_only)
    monkeypatch.setattr(registry, "_implementations", (wrong,))
    call("check", "sum_pool2d", "--dtype", "float32", "--examples", 1)  # says that it compiles the reference
    code, out, err = call("check", "sum_pool2d", "--dtype", "float32", "--examples", 50)
    assert code == 1
    assert err == ""
    assert "first_tap_only on cpu, float32" in out
    assert "got" in out
    assert "expected" in out
    replay = next(line for line in out.splitlines() if line.startswith("  replay")).split()[1:]
    assert replay[:4] == ["workbench", "check", "sum_pool2d", "--device"]
    code, out, _ = call(*replay[1:])
    assert code == 1
    assert "first_tap_only on cpu, float32" in out
    case = Case.from_token(replay[-1])
    assert np.prod(case.shapes["x"]) <= 4


def first_tap_only(x, kernel_size, stride, padding, dilation, ceil_mode, y):
    y[...] = 0
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            row, col = i * stride[0] - padding[0][0], j * stride[1] - padding[1][0]
            if 0 <= row < x.shape[2] and 0 <= col < x.shape[3]:
                y[:, :, i, j] = x[:, :, row, col]


def test_check_all_runs_each_device_in_its_own_process(tmp_path, warm_workbench):
    words = ["check", "relu", "--device", "all", "--examples", "5", "--json", "-"]
    done = warm_workbench(words, tmp_path, os.environ | {"NUMBA_ENABLE_CUDASIM": "0"})
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    by_device = {row["device"]: row for row in rows}
    assert set(by_device) == {"cpu", "cuda", "sim", "python"}
    for device in ("cpu", "sim", "python"):
        assert by_device[device]["status"] == "pass"
        assert by_device[device]["examples"] == 5
    assert by_device["sim"]["implementation"] == "relu_cuda"
    assert by_device["cuda"]["status"] in ("pass", "skipped")


def test_a_folder_of_pictures_in_four_classes_is_learned_and_recognised(call, trained, blobs):
    code, out, err = call("eval", trained)
    assert (code, err) == (0, "")
    assert "accuracy 100.00% (8 of 8)" in out
    for name in ("north-east", "north-west", "south-east", "south-west"):
        assert name in out
    pictures = [blobs / "north-west" / "0.png", blobs / "south-east" / "1.png"]
    code, out, _ = call("predict", trained, *pictures)
    assert code == 0
    assert f"{pictures[0]}: north-west" in out
    assert f"{pictures[1]}: south-east" in out
    _, out, _ = call("predict", trained, *pictures, "--json", "-")
    for prediction in json.loads(out)["predictions"]:
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_eval_as_json_has_the_confusion_matrix(call, trained):
    _, out, _ = call("eval", trained, "--split", "train", "--json", "-")
    report = json.loads(out)
    assert np.sum(report["confusion"]) == report["samples"] == 32
    assert report["correct"] == np.trace(report["confusion"])


def test_a_trained_network_says_the_same_on_a_device(call, trained, blobs):
    picture = blobs / "north-west" / "0.png"
    reports, shares = [], []
    for device in ("cpu", "cuda"):
        reports.append(json.loads(call("eval", trained, "--device", device, "--json", "-")[1]))
        predictions = json.loads(call("predict", trained, picture, "--device", device, "--json", "-")[1])["predictions"]
        shares.append(list(predictions[0]["probabilities"].values()))
    assert shares[1] == pytest.approx(shares[0], abs=1e-5)
    assert reports[1].pop("loss") == pytest.approx(reports[0].pop("loss"), abs=1e-5)
    assert reports[1] == reports[0]


@pytest.mark.parametrize("words", [["eval"], ["predict", "picture.png"]])
def test_a_network_cannot_run_on_a_device_that_is_not_there(trained, tmp_path, words):
    hidden = {"NUMBA_ENABLE_CUDASIM": "0", "CUDA_VISIBLE_DEVICES": ""}
    done = command_line(words[0], trained, *words[1:], "--device", "cuda", cwd=tmp_path, **hidden)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "install an NVIDIA driver" in done.stderr
    assert "Traceback" not in done.stderr


def test_eval_refuses_data_of_other_classes(trained, refused):
    refused(["eval", trained, "--data", "mnist"], "mnist", "north-east")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_predict_refuses_what_is_no_picture(trained, refused, tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    refused(["predict", trained, path], "broken.png")


def test_a_diverging_training_is_a_verdict(call, blobs, tmp_path):
    out = tmp_path / "diverged"
    settings = ("--model", "dense 8 | dense 4", "--lr", "1e20", "--batch-size", 4)
    code, _, err = call("train", "--data", blobs, *settings, "--out", out)
    assert code == 1
    assert "diverged" in err.splitlines()[-1]
    assert "--lr" in err.splitlines()[-1]
    assert not out.exists()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, click.Abort])
def test_an_interruption_exits_with_130(call, monkeypatch, fault):
    def interrupt(*_):
        raise fault

    monkeypatch.setattr("workbench.system.machine.summary", interrupt)
    code, _, err = call("info")
    assert (code, err.strip()) == (130, "workbench: interrupted")


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_control_c_ends_a_training_between_files(tmp_path):
    # a shell that starts its jobs in the background lets them ignore the signal; a user's terminal does not
    listening = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    training = "from workbench.cli import run; sys.exit(run(['train', '--epochs', '1000']))"
    with subprocess.Popen(
        [sys.executable, "-c", listening + training],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the data are loaded
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "workbench: interrupted"
    assert not list(tmp_path.rglob(".*"))
