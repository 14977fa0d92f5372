import pytest

from workbench.inspecting.natural_loops import natural_loops


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        pytest.param([[1], [2], []], {}, id="straight"),
        pytest.param([[0, 1], []], {0: {0}}, id="one block"),
        pytest.param([[1], [2], [2, 3], [1, 4], []], {1: {1, 2, 3}, 2: {2}}, id="nested"),
        pytest.param([[1], [2, 3], [1], [1, 4], []], {1: {1, 2, 3}}, id="two back edges"),
        pytest.param([[1, 2], [2], [1, 3], []], {}, id="two entries"),
        pytest.param([[1], [], [2]], {}, id="not reached"),
        pytest.param([[1], [2, 5], [4], [4], [1], []], {1: {1, 2, 3, 4}}, id="through a table"),
    ],
)
def test_loops_are_those_of_back_edges(graph, expected):
    assert natural_loops(graph) == expected
