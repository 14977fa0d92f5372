"""Small networks of any layers, drawn for what runs them."""

from hypothesis import strategies as st

from kernels.declare.op import Shape
from workbench.network.spec import build
from workbench.system.errors import InputError

CLASSES = 3


@st.composite
def networks(draw: st.DrawFn) -> tuple[str, Shape]:
    """Draw the spec of a small network of any layers that ends in CLASSES scores, and a size of images from 1 to 9."""
    channels = draw(st.integers(1, 3))
    size = channels, draw(st.integers(1, 9)), draw(st.integers(1, 9))
    layers: list[str] = []
    _, height, width = size
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["conv", "relu", "maxpool", "avgpool", "sumpool"]))
        if kind == "relu":
            layers.append(kind)
            continue
        kernel = draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width)))
        stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        if kind == "conv":
            outputs = draw(st.sampled_from([1, 2, 3, 4, 6, 7, 8]))
            groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0 and outputs % g == 0]))
            dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
            text = f"conv {outputs} {kernel[0]}x{kernel[1]} groups={groups}"
            if draw(st.booleans()):
                text += f" pad=same dilation={dilation[0]}x{dilation[1]}"
            else:
                pad = draw(st.integers(0, 2)), draw(st.integers(0, 2))
                text += f" pad={pad[0]}x{pad[1]} stride={stride[0]}x{stride[1]}"
            channels = outputs
        else:
            pad = draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1))
            text = f"{kind} {kernel[0]}x{kernel[1]} stride={stride[0]}x{stride[1]} pad={pad[0]}x{pad[1]}"
        layers.append(text)
        try:
            _, height, width = build(" | ".join(layers), size, 0).shapes[-1]
        except InputError as error:
            height, width = map(int, str(error).split("gives ")[1].split(",")[0].split("x")[1:])
    for outputs in draw(st.lists(st.integers(1, 20), max_size=2)):
        layers.append(f"dense {outputs}")
        if draw(st.booleans()):
            layers.append("relu")
    layers.append(f"dense {CLASSES}")
    return " | ".join(layers), size
