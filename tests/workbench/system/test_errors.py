import pytest

from workbench.system.errors import first_line, numba_place, numba_reason, raised

NUMBA = """Failed in nopython mode pipeline (step: nopython frontend)
- Resolution failure for literal arguments:
No implementation of function Function(<built-in function add>) found for signature:

 >>> add(int64, unicode_type)

During: typing of intrinsic-call at /home/a/blur.py (7)

File "/home/a/blur.py", line 7:
def blur(x, y):
"""


def test_an_error_is_told_in_one_line():
    assert first_line(ValueError("\n  no such size \nmore")) == "no such size"
    assert [first_line(KeyError()), first_line(KeyError(), "")] == ["KeyError", ""]
    assert raised(ZeroDivisionError("division by zero\nmore")) == "raises ZeroDivisionError: division by zero"
    assert raised(AssertionError()) == "raises AssertionError: "


def test_numbas_message_gives_its_reason_and_its_place():
    error = TypeError(NUMBA)
    assert numba_reason(error) == "Numba has no add(int64, unicode_type)"
    assert (numba_place(error), numba_place(error, but="/a/")) == (" (blur.py:7)", "")
    assert numba_place(TypeError("at /home/a/blur.py (9)")) == " (blur.py:9)"


@pytest.mark.parametrize("text", ["", "Failed in nopython mode", "No implementation of f found for signature:"])
def test_a_message_without_a_reason_still_says_something(text):
    assert numba_reason(TypeError(text)) == (text or "TypeError")
