"""The code in the documentation runs as it stands."""

import re
import sys
from pathlib import Path

import pytest

import kernels.ops
from kernels.devices import get_device
from workbench.checking import check

PAGE = Path(__file__).parent.parent / "docs" / "adding-an-op.md"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The page's operation, its files laid where the page says (as far as Python can tell)."""
    folder = tmp_path / "bias_relu"
    folder.mkdir()
    for name, code in re.findall(r"```python (\S+)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        (folder / name).write_text(code)
    monkeypatch.setattr(kernels.ops, "__path__", [*kernels.ops.__path__, str(tmp_path)])
    from kernels.ops import bias_relu

    for op in bias_relu.OPS:
        monkeypatch.setitem(kernels.OPS, op.name, op)
    yield bias_relu
    for name in [name for name in sys.modules if name.startswith("kernels.ops.bias_relu")]:
        del sys.modules[name]


def test_the_added_operation_passes_its_checks(added, target):
    for implementation in added.IMPLEMENTATIONS:
        if implementation.device == target.name:
            for dtype in ("float32", "float64"):
                result = check(implementation, get_device(target.name), label=target.label, dtype=dtype, examples=25)
                assert (result.status, result.reason) == ("pass", "")
                assert result.examples == 25
    assert {implementation.device for implementation in added.IMPLEMENTATIONS} == {"cpu", "cuda"}
