"""A trained network as an ONNX model, for inference elsewhere; needs the package onnx.

The input is "images", float32 (N, C, H, W) in 0..1, for any N. The outputs are "scores" (N, K), and "probabilities",
their softmax. What training alone uses is left out: dropout is the identity, a batch normalization uses its running
statistics.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kernels.declare.op import Options, Shape
from workbench.network.checkpoint import TrainedRun
from workbench.network.spec import INITIAL_BUFFERS, Floats, Layer, Network, Parameters
from workbench.system.errors import InputError, first_line
from workbench.system.version import VERSION

OPSET, IR_VERSION = 19, 9
"""The first opset with dilated average pooling, and the file format of its time, which older releases can also read."""

INPUT, SCORES, PROBABILITIES = "images", "scores", "probabilities"

EPSILON = 1e-5
"""What is added to the variance of a batch normalization."""

MOST_BYTES = 2**31 - 2**20
"""The most bytes of tensors in a file of this format, which ends at 2 GiB."""

NODES = {
    "conv2d": "Conv",
    "relu": "Relu",
    "max_pool2d": "MaxPool",
    "avg_pool2d": "AveragePool",
    "dense": "Gemm",
    "softmax": "Softmax",
}
"""The operations that are a node of ONNX, and its type."""


def attributes(op: str, options: Options, kernel: Shape = ()) -> dict[str, Any]:
    """Return the attributes of the node of an operation.

    Parameters
    ----------
    op : a key of NODES
    options : in normal form
    kernel : (height, width) of a convolution's filters
    """
    if op == "dense":
        return {"transB": 1}
    if op == "softmax":
        return {"axis": 1}
    if op == "relu":
        return {}
    (top, bottom), (left, right) = options["padding"]
    shared = {"strides": options["stride"], "dilations": options["dilation"], "pads": (top, left, bottom, right)}
    if op == "conv2d":
        return {**shared, "kernel_shape": kernel, "group": options["groups"]}
    shared |= {"kernel_shape": options["kernel_size"], "ceil_mode": int(options["ceil_mode"])}
    return shared if op == "max_pool2d" else {**shared, "count_include_pad": int(options["count_include_pad"])}


def onnx_model(run: TrainedRun) -> bytes:
    """Return a trained network as the content of an ONNX file, which ``onnx.checker`` has accepted.

    The metadata say what the network needs to know about a picture: the names of the classes and the "preparation", both of
    run.json, and the layer spec.

    Raises
    ------
    InputError
        The parameters do not fit into the format.
    """
    network, tensors = run.network, _tensors(run.network, run.parameters)
    size = sum(values.nbytes for values in tensors.values())
    if size > MOST_BYTES:
        raise InputError(f"{run.folder}: {size / 2**30:.1f} GiB of parameters; a file of the ONNX format holds 2 GiB")
    graph = helper.make_graph(
        [*_nodes(network), helper.make_node("Softmax", [SCORES], [PROBABILITIES], axis=1)],
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *network.input_shape])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *network.shapes[-1]])
            for name in (SCORES, PROBABILITIES)
        ],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
        doc_string=f"{network.spec}; {INPUT}: float32 in 0..1",
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="kernel-workbench",
        producer_version=VERSION,
    )
    config = run.config
    helper.set_model_props(
        model,
        {
            "classes": json.dumps(config["classes"], ensure_ascii=False),
            "preparation": config["preparation"],
            "spec": network.spec,
        },
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise InputError(f"{run.folder}: onnx refuses the model: {first_line(error)}") from error
    content: bytes = model.SerializeToString()
    return content


def _nodes(network: Network) -> Iterator[Any]:
    """Yield the node of every layer; a dropout has none."""
    steps = [
        (layer, shape) for layer, shape in zip(network.layers, network.shapes, strict=False) if layer.op != "dropout"
    ]
    value = INPUT
    for layer, shape in steps:
        result = SCORES if layer is steps[-1][0] else f"layer {layer.number}"
        yield _node(layer, shape, value, result)
        value = result


def _node(layer: Layer, shape: Shape, value: str, result: str) -> Any:
    """Make the node of a layer for samples of ``shape``."""
    own = [_name(layer, each) for each in layer.parameter_shapes(shape)]
    shown = {"name": f"{layer.number} {layer.text}"}
    if layer.op == "flatten":
        return helper.make_node("Flatten", [value], [result], axis=1, **shown)
    if layer.op == "batch_norm":
        statistics = [_name(layer, each) for each in INITIAL_BUFFERS]
        return helper.make_node("BatchNormalization", [value, *own, *statistics], [result], epsilon=EPSILON, **shown)
    options = layer.normal_options(shape)
    if layer.op == "sum_pool2d":  # a convolution of every channel by itself, with ones
        found = attributes("conv2d", {**options, "groups": shape[0]}, options["kernel_size"])
        return helper.make_node("Conv", [value, _name(layer, "ones")], [result], **found, **shown)
    return helper.make_node(
        NODES[layer.op], [value, *own], [result], **attributes(layer.op, options, layer.kernel or ()), **shown
    )


def _tensors(network: Network, parameters: Parameters) -> Mapping[str, Floats]:
    """Return the constants of the model by name: parameters, buffers, and the ones of sum pools."""
    ones = {
        _name(layer, "ones"): np.ones((shape[0], 1, *layer.options["kernel_size"]), np.float32)
        for layer, shape in zip(network.layers, network.shapes, strict=False)
        if layer.op == "sum_pool2d"
    }
    return {**parameters.tensors, **ones}


def _name(layer: Layer, tensor: str) -> str:
    return f"{layer.number}.{tensor}"
