"""Devices of calls: the order of precedence, host and device arrays, streams, and messages without CUDA."""

import json
import os
import threading
import time

import numpy as np
import pytest

import kernels
from kernels import DeviceUnavailable, DtypeError, OptionError
from kernels.installation import install_command
from kernels.memory.devices import is_device_array

X = np.array([[-1, 2, 3], [4, -5, 6]], np.float32)
Y = np.maximum(X, 0)


def several(result):
    return result if isinstance(result, tuple) else (result,)


def runs_on(x=X, **options):
    """The device that relu would run on."""
    return kernels.explain("relu", x, **options).split(" on ")[1].split(":")[0]


# the order of precedence


def test_host_arrays_run_on_the_cpu():
    assert runs_on() == "cpu"


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_precedence(name, monkeypatch):
    other = {"cpu": "cuda", "cuda": "cpu"}[name]
    monkeypatch.setenv("KERNELS_DEVICE", name)
    assert runs_on() == name
    with kernels.use_device(other):
        assert runs_on() == other
        assert runs_on(device=name) == name
        with kernels.use_device(name):
            assert runs_on() == name
        assert runs_on() == other
    assert runs_on() == name
    assert runs_on(device=other) == other


def test_use_device_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), kernels.use_device("cuda"):
        raise ZeroDivisionError
    assert runs_on() == "cpu"


def test_empty_environment_variable_is_none(monkeypatch):
    monkeypatch.setenv("KERNELS_DEVICE", "")
    assert runs_on() == "cpu"


def test_use_device_holds_for_its_thread_alone():
    """Two threads in blocks at the same time, and a third one that came from inside a block."""
    inside, seen = threading.Barrier(2, timeout=10), {}

    def run(name):
        with kernels.use_device(name):
            inside.wait()
            seen[name] = runs_on()
            inside.wait()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("cpu", "cuda")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"cpu": "cpu", "cuda": "cuda"}
    with kernels.use_device("cuda"):
        newcomer = threading.Thread(target=lambda: seen.update(newcomer=runs_on()))
        newcomer.start()
        newcomer.join()
    assert seen["newcomer"] == "cpu"


def test_calls_from_several_threads(sample):
    calls = [sample(name) for name in kernels.OPS]
    expected, got = [call() for call in calls], {}

    def work(start):
        for place in range(len(calls)):
            place = (start + place) % len(calls)
            got[start, place] = calls[place]()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, len(calls), 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(threads) * len(calls)
    for (_, place), result in got.items():
        for values, right in zip(several(result), several(expected[place]), strict=True):
            np.testing.assert_array_equal(values, right)


@pytest.mark.parametrize("name", ["gpu", "CPU", "", 0, ["cpu"], np.zeros(2)])
def test_unknown_device(name, refuses):
    with refuses(OptionError, "device=", "'cpu', 'cuda', 'auto'"):
        kernels.relu(X, device=name)
    with refuses(OptionError, "use_device", "'cpu', 'cuda', 'auto'"), kernels.use_device(name):
        pass


def test_unknown_device_in_the_environment(monkeypatch, refuses):
    monkeypatch.setenv("KERNELS_DEVICE", "tpu")
    with refuses(OptionError, "KERNELS_DEVICE", "'tpu'", "'cpu', 'cuda', 'auto'"):
        kernels.relu(X)


# CUDA


def test_host_arrays_on_cuda_give_host_arrays(op_name, cuda, sample):
    call = sample(op_name)
    for given, expected in zip(several(call(device="cuda")), several(call()), strict=True):
        assert type(given) is np.ndarray
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_device_arrays_give_device_arrays(op_name, cuda, sample):
    for call in (sample(op_name), sample(op_name, "float64", batch=0)):
        results = several(call(*map(cuda.place, call.arrays.values())))
        for given, expected in zip(results, several(call(device="cuda")), strict=True):
            assert is_device_array(given)
            host = kernels.to_host(given)
            assert (host.dtype, host.shape) == (expected.dtype, expected.shape)
            np.testing.assert_array_equal(host, expected)


def test_a_bias_left_out_on_the_device(cuda, sample):
    call = sample("dense")
    x, w, _ = call.arrays.values()
    np.testing.assert_array_equal(kernels.to_host(call(cuda.place(x), cuda.place(w))), call(x, w, device="cuda"))


VIEWS = {
    "Fortran": lambda array: array.T,
    "rows": lambda array: array[1:],
    "every other column": lambda array: array[:, ::2],
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_device_arrays(view, cuda):
    host = np.arange(-8, 12, dtype=np.float32).reshape(4, 5)
    device = cuda.place(host)
    np.testing.assert_array_equal(kernels.to_host(kernels.relu(VIEWS[view](device))), np.maximum(VIEWS[view](host), 0))
    np.testing.assert_array_equal(kernels.to_host(device), host)
    out = cuda.place(np.full((10, 10), 9, np.float32))
    target = VIEWS[view](out[:4, :5])
    given = VIEWS[view](device)
    assert kernels.relu(given, out=target) is target
    np.testing.assert_array_equal(kernels.to_host(target), np.maximum(VIEWS[view](host), 0))
    assert np.sum(kernels.to_host(out) == 9) == 100 - given.size + np.sum(kernels.to_host(given) == 9)


def test_out_on_the_device(op_name, cuda, sample):
    call = sample(op_name)
    arrays = [cuda.place(array) for array in call.arrays.values()]
    out = tuple(cuda.place(np.full(shape, 9, np.float32)) for shape in call.output_shapes)
    out = out if len(out) > 1 else out[0]
    assert call(*arrays, out=out) is out
    for given, expected in zip(several(out), several(call(device="cuda")), strict=True):
        np.testing.assert_array_equal(kernels.to_host(given), expected)


def test_out_on_the_device_is_refused(cuda, refuses):
    buffer = cuda.place(np.zeros(8, np.float32))
    x = buffer[:5]
    for out, words in [
        (x, "overlaps x"),
        (buffer[3:], "overlaps x"),
        (buffer[4:], "(4,)"),
        (np.zeros(5, np.float32), "host"),
    ]:
        with refuses(kernels.KernelsError, "out", words):
            kernels.relu(x, out=out)
    with refuses(OptionError, "out is on the CUDA device", "inputs are on the host"):
        kernels.relu(np.zeros(5, np.float32), out=x)
    apart = buffer[5:]
    assert kernels.relu(buffer[:3], out=apart) is apart


def test_cpu_on_device_arrays(cuda, monkeypatch, refuses):
    x = cuda.place(X)
    with refuses(OptionError, "device=", "'cpu'", "on the CUDA device", "to_host"):
        kernels.relu(x, device="cpu")
    with refuses(OptionError, "use_device", "to_host"), kernels.use_device("cpu"):
        kernels.relu(x)
    monkeypatch.setenv("KERNELS_DEVICE", "cpu")
    with refuses(OptionError, "KERNELS_DEVICE", "to_host"):
        kernels.relu(x)
    for name in ("cuda", "auto"):
        assert is_device_array(kernels.relu(x, device=name))


def test_mixed_places(cuda, refuses):
    w = np.ones((2, 3), np.float32)
    with refuses(OptionError, "dense", "x on the CUDA device", "w, b on the host", "to_device"):
        kernels.dense(cuda.place(X), w, np.zeros(2, np.float32))
    with refuses(OptionError, "logits on the CUDA device", "labels on the host"):
        kernels.cross_entropy(cuda.place(X), [0, 1])


def test_labels_on_the_device(cuda, refuses):
    logits = cuda.place(X)
    loss = kernels.cross_entropy(logits, cuda.place(np.array([0, 2], np.int16)))
    assert kernels.to_host(loss) == pytest.approx(kernels.cross_entropy(X, [0, 2]), rel=1e-6)
    with refuses(OptionError, "labels[1] is 3"):
        kernels.cross_entropy(logits, cuda.place(np.array([0, 3])))


def test_streams(cuda, sample):
    from numba import cuda as numba_cuda

    call, stream = sample("conv2d"), numba_cuda.stream()
    expected = call(device="cuda")
    np.testing.assert_array_equal(call(device="cuda", stream=stream), expected)
    result = call(*map(cuda.place, call.arrays.values()), stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(kernels.to_host(result), expected)


def test_a_stream_on_the_cpu(refuses):
    with refuses(OptionError, "relu", "stream", "CUDA", "cpu"):
        kernels.relu(X, stream=1)


def test_copies(cuda):
    host = X.copy()
    device = kernels.to_device(host)
    host[...] = 0
    assert is_device_array(device)
    np.testing.assert_array_equal(kernels.to_host(device), X)
    assert kernels.to_device(device) is device
    assert kernels.to_host(host) is host
    for array in (np.asfortranarray(X), X[:, ::2], np.broadcast_to(X, (2, 2, 3)), X.tolist(), np.float32(1), X[:0]):
        np.testing.assert_array_equal(kernels.to_host(kernels.to_device(array)), array)


def test_what_cannot_be_copied(refuses):
    for function in (kernels.to_device, kernels.to_host):
        for value in (None, [[1], [2, 3]]):
            with refuses(
                DtypeError, f"{function.__name__}: a", type(value).__name__.removesuffix("Type"), "needs an array"
            ):
                function(value)


# auto


@pytest.fixture
def calibration(tmp_path, monkeypatch):
    """Where the calibration is read from."""
    file = tmp_path / "break_even.json"
    monkeypatch.setattr("kernels.call.breakeven.calibration_file", lambda: file)
    return file


LARGE = {"x": (64, 64, 56, 56), "w": (64, 64, 3, 3)}
SMALL = {"x": (1, 1, 8, 8), "w": (1, 1, 3, 3)}


def auto(shapes):
    return kernels.explain("conv2d", *shapes.values(), device="auto").splitlines()[0]


def test_auto_without_calibration(calibration):
    assert " on cuda: device= is 'auto'" in auto(LARGE)
    assert " on cpu: device= is 'auto'" in auto(SMALL)
    for shapes in (LARGE, SMALL):
        assert "100,000,000 (the default, not calibrated)" in auto(shapes)


@pytest.mark.parametrize("flops", [0, 10**12])
def test_auto_with_calibration(calibration, flops):
    calibration.write_text(json.dumps({"schema": 1, "break_even_flops": {"conv2d": flops}}))
    for shapes in (LARGE, SMALL):
        assert f" on {'cpu' if flops else 'cuda'}: " in auto(shapes)
        assert f"{flops:,} (calibrated)" in auto(shapes)
    assert "not calibrated" in kernels.explain("relu", (2, 3), device="auto")


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", "null", "[" * 100_000, "\udcff"),
        *('{"break_even_flops": {"conv2d": 3}}', '{"schema": 2, "break_even_flops": {"conv2d": 3}}'),
        '{"schema": 1, "break_even_flops": 3}',
        *(
            f'{{"schema": 1, "break_even_flops": {{"conv2d": {flops}}}}}'
            for flops in ('"x"', "-1", "NaN", "Infinity", "1.5", "true", "null", "[]", "1e400", "9" * 30, "9" * 5000)
        ),
    ],
)
def test_auto_with_a_broken_calibration(calibration, content):
    calibration.write_text(content, errors="surrogateescape")
    assert f"100,000,000 (the default, not calibrated: {calibration} is damaged; " in auto(LARGE)
    assert "workbench bench --calibrate" in auto(LARGE)


def test_auto_with_a_pipe_for_the_calibration(calibration):
    os.mkfifo(calibration)
    assert "is damaged" in auto(LARGE)


def test_auto_computes(calibration, cuda):
    calibration.write_text(json.dumps({"schema": 1, "break_even_flops": {"relu": 3}}))
    for x in (X, X[:1]):
        y = kernels.relu(x, device="auto")
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, np.maximum(x, 0))


# no CUDA

WITHOUT_CUDA = """
import json, os
import numpy as np, kernels

def message(call):
    try:
        call()
    except kernels.DeviceUnavailable as error:
        return str(error)

x = np.array([-1.0, 2.0])
def within(name):
    with kernels.use_device(name):
        return kernels.relu(x)
def from_environment(name):
    os.environ["KERNELS_DEVICE"] = name
    try:
        return kernels.relu(x)
    finally:
        del os.environ["KERNELS_DEVICE"]
print(json.dumps({
    "refused": [message(call) for call in (
        lambda: kernels.relu(x, device="cuda"), lambda: within("cuda"), lambda: from_environment("cuda"),
        lambda: kernels.to_device(x),
    )],
    "results": [y.tolist() for y in (
        kernels.relu(x), kernels.relu(x, device="cpu"), kernels.relu(x, device="auto"), within("auto"),
        from_environment("auto"), kernels.relu(kernels.to_host(x)),
    )],
    "auto": kernels.explain("relu", x, device="auto"),
    "cuda": kernels.explain("relu", x, device="cuda"),
}))
"""


def test_without_cuda(run_python):
    """No silent fall-back: asking for CUDA is an error with the remedy; "auto" reports why it chose the CPU."""
    told = json.loads(run_python(WITHOUT_CUDA, NUMBA_ENABLE_CUDASIM="0", CUDA_VISIBLE_DEVICES="-1"))
    for message in told["refused"]:
        assert message.startswith("device 'cuda' is not available: ")
        assert install_command(extra="cuda") in message
        assert "NUMBA_ENABLE_CUDASIM=1" in message
        assert len(message.splitlines()) == 1
    assert told["results"] == [[0, 2]] * 6
    assert "on cpu: device= is 'auto' and there is no CUDA: " in told["auto"]
    assert "but      device 'cuda' is not available: " in told["cuda"]


def test_error_classes():
    assert issubclass(DeviceUnavailable, RuntimeError)
    assert issubclass(DtypeError, TypeError)
    assert issubclass(OptionError, ValueError)
    assert issubclass(kernels.ShapeError, ValueError)
    assert all(
        issubclass(error, kernels.KernelsError)
        for error in (DeviceUnavailable, DtypeError, OptionError, kernels.ShapeError)
    )


def test_devices_measure_time(target):
    """In milliseconds."""
    assert target.device.time(lambda: time.sleep(0.02)) > 19
