import pytest

from workbench.inspecting.source_loops import is_head, levels_around

SOURCE = """
def helper(x):
    t = x.copy()
    for i in range(3):
        for j in range(3):
            t += 1
    return t


def kernel(x):
    a = x.copy()
    for i in range(9):
        b = helper(x)
        for j in range(9):
            c = x.copy()
            while c[0]:
                c -= 1
"""


@pytest.mark.parametrize(
    ("lines", "levels"),
    [
        pytest.param([11], None, id="before the loops"),
        pytest.param([12], None, id="the head of an outermost loop"),
        pytest.param([13], 3, id="a loop around two levels"),
        pytest.param([15], 2, id="a loop around an innermost one"),
        pytest.param([17], 1, id="an innermost loop"),
        pytest.param([3, 13], 3, id="a function with two levels, called in a loop"),
        pytest.param([3, 17], 3, id="a function with two levels, called in an innermost loop"),
    ],
)
def test_levels_are_counted_from_the_loop_inwards_through_calls(tmp_path, lines, levels):
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)
    assert levels_around([(str(file), line) for line in lines]) == levels
    assert is_head(str(file), 12)
    assert not is_head(str(file), 13)


def test_without_a_source_no_levels_are_known(tmp_path):
    (tmp_path / "bad.py").write_text("for")
    assert levels_around([(str(tmp_path / "none.py"), 1), (str(tmp_path / "bad.py"), 1)]) is None
