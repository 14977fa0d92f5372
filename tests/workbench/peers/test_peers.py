"""Other libraries as peers of the kernels: right results or no variant, and the same networks."""

import dataclasses
import sys

import numpy as np
import pytest
from hypothesis import given, settings

import kernels
from kernels import OPS
from kernels.declare.shapes import normal_options
from kernels.installation import install_command
from workbench import peers
from workbench.network.optimizer import Optimizer
from workbench.network.spec import Parameters, build
from workbench.oracle.bounds import oracle
from workbench.oracle.reference import oracle_reference
from workbench.sampling import Case, cases

FORWARD = ("conv2d", "relu", "max_pool2d", "avg_pool2d", "dense", "softmax")
LAYERS = {name for forward in (*FORWARD, "sum_pool2d", "cross_entropy") for name in (forward, f"{forward}_backward")}
NORMALIZING = {"batch_norm", "batch_norm_inference", "batch_norm_backward"}
COMPUTES = {
    "torch": LAYERS | NORMALIZING,
    "onnxruntime": set(FORWARD),
    "scipy": {"conv2d", "softmax", "cross_entropy"},
    "numpy": {name for name in LAYERS if "2d_backward" not in name},
}
PAIRS = [(peer, name) for peer, names in COMPUTES.items() for name in sorted(names)]

FLOAT32_ONLY = {("onnxruntime", "conv2d"), ("onnxruntime", "avg_pool2d")}

ELEMENTWISE = ("torch", "onnxruntime", "scipy ndimage.correlate", "numpy")
"""The ways that keep an element-wise bound; one by FFT does not."""


@pytest.fixture(autouse=True)
def _threads():
    """PyTorch's number of threads is the process's; it is put back."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.fixture(params=peers.PEERS)
def peer(request):
    require(request.param)
    return request.param


def require(peer):
    if peers.missing(peer):
        pytest.skip(peers.missing(peer))


def plain_case(name, dtype="float32", seed=1, **options):
    """A case that every peer with any way at all can compute: windows lie inside the padding, both sides alike."""
    x, w, channels = (3, 4, 9, 8), (6, 4, 3, 3), (4,)
    options = {"padding": 1, "stride": 1, "p": 0.5, "seed": 1, **options}
    normalized = {"x": x, "w": channels, "b": channels}
    shapes = {
        "batch_norm": normalized,
        "batch_norm_inference": {**normalized, "mean": channels, "var": channels},
        "conv2d": {"x": x, "w": w, "b": w[:1]},
        "relu": {"x": x},
        "dense": {"x": (5, 7), "w": (3, 7), "b": (3,)},
        "softmax": {"x": (5, 7)},
        "cross_entropy": {"logits": (5, 7), "labels": (5,)},
    }
    forward = next((op for op in OPS.values() if op.backward == name), OPS[name])
    inputs = shapes.get(forward.name, {"x": x})
    if "pool2d" in name:
        options = {"kernel_size": 3, **options}
    known = {option.name for option in forward.options}
    normal = normal_options(forward, {key: value for key, value in options.items() if key in known}, inputs)
    outputs = dict(zip(forward.outputs, forward.output_shapes(inputs, normal), strict=True))
    known_shapes = {"dy": next(iter(outputs.values())), **outputs, **inputs}
    inputs = {item.name: known_shapes[item.name] for item in OPS[name].inputs}
    return Case(op=name, dtype=dtype, shapes=inputs, options=normal, family="normal", seed=seed)


def variants(peer, case):
    return peers.variants(peer, case.op, case.arrays(), case.options, 2)


def worst_share(case, variant):
    """The worst error of a variant's last run as a share of the bound; shapes and order are those of the operation."""
    op, dtype, inputs = OPS[case.op], np.dtype(case.dtype), case.arrays()
    reference = oracle_reference(op, dtype, op.flops(case.shapes, case.options))
    truth = oracle(op, inputs, case.options, dtype, compiled=reference)
    outputs = variant.outputs()
    assert [each.shape for each in outputs] == [each.shape for each in truth.expected], variant.name
    assert all(each.dtype == dtype and each.flags.c_contiguous for each in outputs), variant.name
    return max(float(truth.shares(i, each).max(initial=0)) for i, each in enumerate(outputs))


def check(peer, case):
    """Every variant is right, also when it runs again."""
    found = variants(peer, case)
    for variant in found:
        if variant.name.startswith(ELEMENTWISE):
            variant.run()
            assert worst_share(case, variant) <= 1, (variant.name, case)
            variant.run()
            assert worst_share(case, variant) <= 1, (variant.name, case)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("peer_name", "name"), PAIRS)
def test_what_a_peer_computes_is_right(peer_name, name, dtype):
    require(peer_name)
    found = check(peer_name, plain_case(name, dtype))
    assert bool(found) == (dtype == "float32" or (peer_name, name) not in FLOAT32_ONLY)
    assert all(variant.name.split()[0] == peer_name for variant in found)
    assert len({variant.name for variant in found}) == len(found)


@pytest.mark.parametrize("name", OPS)
def test_nothing_else_is_computed(peer, name):
    assert bool(variants(peer, plain_case(name))) == (name in COMPUTES[peer])


@pytest.mark.parametrize(("peer_name", "name"), PAIRS)
def test_sampled_cases_are_right_or_not_computed(peer_name, name):
    require(peer_name)
    fixed = ("stride", "dilation", "groups") if peer_name == "scipy" else ()

    @given(cases(OPS[name], "float32", layouts=("contiguous",), largest=17, fixed=fixed))
    @settings(max_examples=15)
    def property_of(case):
        check(peer_name, dataclasses.replace(case, family="normal"))

    property_of()


def test_convolution_by_fft_is_right_beside_its_largest_element():
    require("scipy")
    case = plain_case("conv2d")
    (variant,) = (each for each in variants("scipy", case) if each.name == "scipy fft")
    variant.run()
    expected = kernels.conv2d(*(array.astype(np.float64) for array in case.arrays().values()), padding=1)
    np.testing.assert_allclose(variant.outputs()[0], expected, rtol=0, atol=2**-22 * 36)


@pytest.mark.parametrize("name", ["relu", "conv2d", "max_pool2d", "max_pool2d_backward"])
def test_torch_has_both_memory_formats_of_images(name):
    require("torch")
    assert {each.name for each in variants("torch", plain_case(name))} == {"torch", "torch channels_last"}


def test_torch_names_what_it_does_besides():
    require("torch")
    for name in ("conv2d", "conv2d_backward", "max_pool2d", "sum_pool2d_backward", "avg_pool2d"):
        found = check("torch", plain_case(name, padding=((1, 0), (2, 1))))
        if name == "avg_pool2d":
            assert {each.name for each in found} == {"torch pad+avg_pool2d", "torch pad+avg_pool2d channels_last"}
        assert all("pad+" in each.name for each in found)
        assert len(found) == 2


@pytest.mark.parametrize(
    ("peer_name", "name", "options"),
    [
        ("torch", "avg_pool2d", {"dilation": 2}),
        ("torch", "sum_pool2d_backward", {"dilation": 2}),
        ("torch", "avg_pool2d", {"padding": ((1, 0), (1, 1)), "count_include_pad": False}),
        ("onnxruntime", "max_pool2d", {"padding": 4, "dilation": 4}),
        ("scipy", "conv2d", {"stride": 2}),
        ("scipy", "conv2d", {"dilation": 2}),
    ],
)
def test_what_a_peer_has_no_way_for_is_left_out(peer_name, name, options):
    require(peer_name)
    assert variants(peer_name, plain_case(name, **options)) == ()


@pytest.mark.parametrize("peer_name", ["torch", "onnxruntime", "numpy"])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_windows_over_padding_alone_are_right_or_left_out(peer_name, kind):
    """Libraries give the lowest number, nothing, or a place outside the image."""
    require(peer_name)
    case = plain_case(f"{kind}_pool2d", kernel_size=(1, 2), padding=((0, 0), (1, 1)), dilation=(1, 3), ceil_mode=True)
    case = dataclasses.replace(case, shapes={"x": (2, 3, 4, 2)})
    found = check(peer_name, case)
    assert bool(found) == (peer_name == "numpy" or (peer_name, kind) == ("torch", "max"))


def test_an_empty_batch_is_not_timed(peer):
    case = dataclasses.replace(plain_case("softmax"), shapes={"x": (0, 7)})
    assert variants(peer, case) == ()


def test_an_operation_of_ones_own_has_no_peer(peer):
    assert peers.variants(peer, "lp_pool2d", {"x": np.ones((1, 1, 2, 2))}, {}, 1) == ()


@pytest.mark.parametrize("name", ["relu", "max_pool2d", "softmax"])
def test_operands_are_the_memory_that_a_run_reads(peer, name):
    if name not in COMPUTES[peer]:
        pytest.skip(f"{peer} does not compute {name}")
    for variant in variants(peer, plain_case(name)):
        variant.run()
        before = variant.outputs()
        for operand in variant.operands:
            assert operand.ndim == 1
            operand[...] = 5
        variant.run()
        after = variant.outputs()[0]
        assert np.unique(after).size == 1
        assert np.any(before[0] != after), "outputs are copies"


def test_a_missing_peer_is_one_line_with_the_remedy(peer, monkeypatch):
    assert peers.missing(peer) == ""
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "onnx" else object())
    needs = f"needs onnx; {install_command('onnx')}" if peer == "onnxruntime" else ""
    assert peers.missing(peer) == needs


def test_versions_are_known_without_an_import(peer, run_python):
    if peer == "numpy":
        assert peers.version(peer) == np.__version__
        return
    code = f"import sys; from workbench import peers; print(peers.missing({peer!r}), peers.version({peer!r}))"
    printed = run_python(f"{code}; assert {peer!r} not in sys.modules")
    assert printed.split() == [pytest.importorskip(peer).__version__]


SPECS = [
    "conv 4 3x3 pad=1 | relu | maxpool 2 | conv 4 3x3 groups=2 | relu | avgpool 2 | dense 6 | relu | dense 3",
    "conv 4 2x3 pad=same | relu | sumpool 2 | conv 2 3x2 stride=2 dilation=1x2 | maxpool 2x1 stride=1 pad=same | dense 3",
]


@pytest.fixture
def batch():
    rng = np.random.default_rng(3)
    return rng.random((10, 1, 12, 12), dtype=np.float32), rng.integers(0, 3, 10)


def initial(spec):
    network = build(spec, (1, 12, 12), 3)
    return network, Parameters.initial(network, np.random.default_rng(5))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("way", ["torch eager", "torch channels_last"])
def test_a_network_trains_as_in_torch(spec, way, batch):
    """Losses and probabilities of order 1 from sums of under 400 terms: 1e-5 is 168 roundings of float32."""
    pytest.importorskip("torch", reason="the peer is PyTorch")
    from workbench.network.executor import OpsExecutor
    from workbench.peers.networks import TorchNetwork, Training

    network, parameters = initial(spec)
    theirs = TorchNetwork(network, parameters, way, Training(lr=0.1, momentum=0.9), "cpu")
    executor, gradients = OpsExecutor(network, parameters, "cpu"), Parameters.zeros(network)
    optimizer = Optimizer(parameters.flat.size, 0.1, momentum=0.9)
    losses = []
    for _ in range(4):
        losses.append((executor.gradients(*batch, gradients)[0], theirs.train_step(*batch)))
        optimizer.update(parameters.flat, gradients.flat)
    ours, torch_losses = zip(*losses, strict=True)
    np.testing.assert_allclose(torch_losses, ours, rtol=1e-5)
    assert ours[3] < ours[0]
    np.testing.assert_allclose(theirs.infer(batch[0]), kernels.softmax(executor.logits(batch[0])), atol=1e-5)


def test_a_network_that_cannot_be_compiled_says_why(batch, monkeypatch):
    torch = pytest.importorskip("torch", reason="the peer is PyTorch")
    from workbench.peers.networks import torch_networks

    def compile_nothing(module):
        def call(images):
            raise RuntimeError("No working C++ compiler\nset CXX")

        return call

    monkeypatch.setattr(torch, "compile", compile_nothing)
    network, parameters = initial(SPECS[0])
    made, reasons = torch_networks(network, parameters, *batch, threads=2)
    assert [each.name for each in made] == ["torch eager", "torch channels_last"]
    assert reasons == {"torch compile": "torch.compile fails: RuntimeError: No working C++ compiler"}
    assert torch.get_num_threads() == 2


def test_a_reset_network_starts_anew(batch):
    pytest.importorskip("torch", reason="the peer is PyTorch")
    from workbench.peers.networks import TorchNetwork, Training

    network, parameters = initial(SPECS[1])
    theirs = TorchNetwork(network, parameters, "torch eager", Training(), "cpu")
    first = [theirs.train_step(*batch) for _ in range(3)]
    assert len(set(first)) == 3
    theirs.reset(parameters)
    assert [theirs.train_step(*batch) for _ in range(3)] == first
