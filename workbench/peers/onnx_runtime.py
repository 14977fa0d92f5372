"""ONNX Runtime as a peer: a model of one node on its CPU provider.

Weights are constants of the model, as in every exported model: ONNX Runtime packs them into its own layout when the session
is created, outside the timed call. Inputs and outputs are bound to fixed memory, so that nothing else is copied.

The number of threads within a node, one thread across nodes, and the log level are set. Everything else is ONNX Runtime's
default: all graph optimizations, and threads that keep spinning for a while after a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from kernels import OPS
from kernels.declare.op import Shape
from workbench.network.onnx_model import IR_VERSION, NODES, OPSET, attributes
from workbench.peers import Inputs, Options, Variant
from workbench.peers.windows import every_window_sees

ERRORS_ONLY = 3


def variants(op: str, inputs: Inputs, options: Options, threads: int) -> tuple[Variant, ...]:
    """See ``workbench.peers.variants``; none if ONNX Runtime has no kernel for the dtype."""
    if op not in NODES or ("pool2d" in op and not _pools_so(inputs["x"].shape, options)):
        return ()
    shapes = {name: array.shape for name, array in inputs.items()}
    x, y = inputs["x"], np.empty(OPS[op].output_shapes(shapes, options)[0], inputs["x"].dtype)
    try:
        session = onnxruntime.InferenceSession(
            _model(op, inputs, options, y).SerializeToString(),
            _session_options(threads),
            providers=["CPUExecutionProvider"],
        )
    except NoKernel:
        return ()
    binding = session.io_binding()
    for bind, name, array in ((binding.bind_input, "x", x), (binding.bind_output, "y", y)):
        bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    return (
        Variant(
            name="onnxruntime",
            run=lambda: session.run_with_iobinding(binding),
            outputs=lambda: (y.copy(),),
            operands=(x.reshape(-1), y.reshape(-1)),
        ),
    )


def _pools_so(x: Shape, options: Options) -> bool:
    """Return whether ONNX Runtime accepts the padding, which must be smaller than the window before dilation."""
    takes = all(max(sides) < size for sides, size in zip(options["padding"], options["kernel_size"], strict=True))
    return takes and every_window_sees(x, options)


def _session_options(threads: int) -> Any:
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = threads
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = ERRORS_ONLY
    return chosen


def _model(op: str, inputs: Inputs, options: Options, y: NDArray[Any]) -> Any:
    """Make a model that computes y from x, with all other inputs as constants."""
    element = helper.np_dtype_to_tensor_dtype(y.dtype)
    kernel = inputs["w"].shape[2:] if "w" in inputs else ()
    node = helper.make_node(NODES[op], list(inputs), ["y"], **attributes(op, options, kernel))
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info("x", element, inputs["x"].shape)],
        [helper.make_tensor_value_info("y", element, y.shape)],
        [numpy_helper.from_array(array, name) for name, array in inputs.items() if name != "x"],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
