"""The functions of ``kernels`` take few positional parameters: values that belong together form a record."""

import ast
from pathlib import Path

import kernels
from kernels.ops import IMPLEMENTATIONS, OPS

MOST = 10


def positional(source):
    """Yield the functions in a source, each with the number of its positional parameters."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            arguments = node.args.posonlyargs + node.args.args
            yield getattr(node, "name", "lambda"), len(arguments)


def assigned(source):
    """Yield the names that a module assigns: also functions that another one makes."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))


def test_nested_functions_and_lambdas_are_counted():
    source = "def f(a, /, b, *, c):\n  def g(d, *e): ...\n  return lambda x, y, z: 0"
    assert sorted(positional(source)) == [("f", 2), ("g", 1), ("lambda", 3)]


def test_functions_take_at_most_ten_positional_parameters():
    """Implementations are excepted: their parameters are those of the operation."""
    convention = {}
    for each in IMPLEMENTATIONS:
        op = OPS[each.op]
        outputs = each.of_outputs(op.outputs, op.outputs)
        convention[each.name] = len(op.inputs) + len(op.options) + len(outputs)
    files = sorted(Path(kernels.__file__).parent.rglob("*.py"))
    sources = {str(file): file.read_text(encoding="utf-8") for file in files}
    found = [(file, name, count) for file, source in sources.items() for name, count in positional(source)]
    made = {name for source in sources.values() for name in assigned(source)}
    assert {name for _, name, _ in found} | made >= convention.keys()
    assert [each for each in found if each[2] > MOST and convention.get(each[1]) != each[2]] == []
