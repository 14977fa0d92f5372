"""The resolver of all commands: the kernels of a target on a device, and the same messages for missing targets."""

import os
from dataclasses import replace

import pytest

from workbench.cli import run
from workbench.system.errors import InputError
from workbench.target.command_device import CPU, CUDA, DEVICES, PYTHON, SIM, TIMED
from workbench.target.on_devices import OnDevices, on_each
from workbench.target.resolve import Target, parse_targets

SOURCE = """
from numba import njit
from workbench import implements

@implements("relu")
@njit
def decorated(x, y):
    for i in range(x.size):
        y.flat[i] = max(x.flat[i], 0)

def plain(x, y):
    y[...] = x
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)


def test_an_operation_stands_for_its_built_in_kernels():
    (target,) = parse_targets(["relu", "relu"])
    assert not target.is_file
    assert {each.device for kind in ("cpu", "cuda") for each in target.built_in(kind)} == {"cpu", "cuda"}
    assert target.operations("cpu") == ("relu",)
    assert target.kinds() == ("cpu",)


def test_a_users_kernel_is_not_built_in(folder):
    assert [kernel.name for kernel in Target(text="mine.py").kernels(CPU, TIMED)] == ["decorated"]
    assert "decorated" not in [each.name for each in Target(text="relu").built_in("cpu")]


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_a_plain_function_takes_the_arrays_of_the_device(folder, device):
    (kernel,) = Target(text="mine.py:plain", op="relu").kernels(device, ())
    assert kernel.device == device.kind


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "mine.py", "--device", "cuda"),
        ("inspect", "mine.py", "--device", "cuda"),
        ("train", "--kernels", "mine.py", "--device", "cuda"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_says_it_in_the_same_words(folder, capsys, monkeypatch, command):
    monkeypatch.setattr("workbench.inspecting.cuda.find_toolchain", lambda: None)
    assert run(list(command)) == 2
    assert capsys.readouterr().err == (
        "workbench: mine.py: has no kernel for cuda: decorated is not for cuda; use --device cpu\n"
    )


def test_the_remedy_is_among_the_commands_devices(folder):
    with pytest.raises(InputError, match="is not for sim; use --device cpu or python"):
        Target(text="mine.py").kernels(SIM, DEVICES.values())
    assert Target(text="mine.py").kernels(SIM, DEVICES.values(), needed=False) == ()


def test_twins_run_the_same_kernels():
    for device in DEVICES.values():
        twin = DEVICES[device.twin]
        assert (twin.kind, twin.twin) == (device.kind, device.name)


def told(request, device):
    return request, device.name, os.getpid(), os.environ.get("NUMBA_ENABLE_CUDASIM")


def killed(_request, _device):
    os.kill(os.getpid(), 9)


def test_several_devices_are_several_processes():
    request = OnDevices(devices=(CPU, replace(CUDA, is_simulated=True), PYTHON))
    results, absent = on_each(told, request)
    assert [result[:2] for result in results] == [(request, name) for name in ("cpu", "cuda", "python")]
    assert len({process for _, _, process, _ in results} | {os.getpid()}) == 4
    assert results[1][3] == "1"
    assert absent == {}


def test_a_single_device_is_here():
    results, _ = on_each(told, OnDevices(devices=(CPU,)))
    assert results[0][2] == os.getpid()


def test_a_process_that_is_lost_is_named():
    with pytest.raises(InputError, match="the process for cpu ended with -9; run it alone, with --device cpu"):
        on_each(killed, OnDevices(devices=(CPU, PYTHON)))
