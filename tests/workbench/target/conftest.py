"""The command ``workbench check`` and its results; refusals; the declarations of a test alone."""

import json

import pytest

from tests.workbench.target.user import KERNELS, Checked, environment
from workbench.system.errors import InputError
from workbench.target import decorator


@pytest.fixture
def check(tmp_path, warm_workbench):
    """Run ``workbench check`` on float32 and read its results; it must have come to a verdict."""

    def run(*arguments, dtype="float32", cwd=KERNELS):
        target = tmp_path / "results.json"
        words = [*map(str, arguments), "--dtype", dtype, "--json", str(target)]
        warm = warm_workbench(["check", *words], cwd, environment())
        assert "Traceback" not in warm.stderr, warm.stderr
        done = Checked(warm.returncode, warm.stdout, warm.stderr)
        assert done.code in (0, 1), done.err
        rows = json.loads(target.read_text())["results"]
        assert done.code == any(row["status"] == "fail" for row in rows)
        for row in rows:
            assert (
                row["status"] != "fail" or f"{row['implementation']} on {row['device']}, {row['dtype']}: " in done.out
            )
        declared = tuple(row for row in rows if row["implementation"] == "declaration")
        return Checked(done.code, done.out, done.err, tuple(row for row in rows if row not in declared), declared)

    return run


@pytest.fixture
def refuses():
    """A context: an InputError of one line with all of these words must come."""

    class Refusal:
        def __init__(self, *words):
            self.raises, self.words = pytest.raises(InputError), words

        def __enter__(self):
            self.caught = self.raises.__enter__()

        def __exit__(self, *details):
            suppress = self.raises.__exit__(*details)
            message = str(self.caught.value)
            assert len(message.splitlines()) == 1
            for word in self.words:
                assert word in message
            return suppress

    return Refusal


@pytest.fixture(autouse=True)
def _declared(monkeypatch):
    """What a test declares is forgotten after it; conftest sees to what it registers."""
    monkeypatch.setattr(decorator, "declared", [])
