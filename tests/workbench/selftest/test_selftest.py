"""The self-test counts what is caught, lists survivors, and distinguishes its own faults from those that it planted."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from workbench.cli import run as command_line
from workbench.selftest import running
from workbench.selftest.equivalent import EQUIVALENT
from workbench.selftest.mutation import mutants
from workbench.selftest.running import LEAST, Planned, Trial, draw, plan, run
from workbench.system.process import NoAnswer

PLANNED = plan(sample=False, seed=0)
ALL = PLANNED.trials


def trial(kind, name, **changes):
    found = next((each for each in ALL if (each.kind, each.name) == (kind, name)), None)
    if found is None:
        found = running._of_mutant(next(mutant for mutant in mutants() if mutant.name == name))
    return replace(found, **changes)


EQUAL = "relu.cpu.relu_cpu boundary: value <= zero -> value < zero"
FAULT = "few._micro arithmetic: sample * features -> sample + features"


@pytest.fixture
def self_test(monkeypatch, capsys, tmp_path):
    """Run the command on these trials; return the exit code, the JSON and what it prints."""

    def invoke(*planned):
        monkeypatch.setattr(running, "plan", lambda **_: Planned(trials=planned, mutants=9, seed=7))
        target = tmp_path / "selftest.json"
        code = command_line(["check", "--self-test", "--json", str(target)])
        return code, json.loads(target.read_text()), capsys.readouterr().out

    return invoke


def units_of(trials):
    return Counter((each.op, each.device, each.algorithm) for each in trials)


def test_what_is_planned():
    planned = [each for each in ALL if each.kind == "mutant"]
    assert PLANNED.mutants == len(mutants())
    assert sum(each.examples for each in ALL if each.kind == "right") >= 20_000
    assert all(each.examples <= 200 for each in ALL if each.kind != "right")
    assert units_of(planned).keys() == units_of(mutants()).keys()


def test_a_sample_has_some_of_every_implementation():
    sample = [each for each in plan(sample=True, seed=3).trials if each.kind == "mutant"]
    assert units_of(sample).keys() == units_of(mutants()).keys()
    assert min(units_of(sample).values()) >= LEAST
    assert len(sample) < PLANNED.mutants / 10


def test_the_seed_draws():
    everything = mutants()
    first, again, other = (draw(everything, 0.1, seed) for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)
    assert draw(everything, 1.0, 1) == list(everything)


def test_caught_right_and_equivalent(self_test):
    killed = trial("mutant", FAULT)
    code, result, out = self_test(killed, trial("right", "relu_cpu", examples=10), trial("mutant", EQUAL, examples=10))
    assert code == 0
    summary = result["summary"]
    assert (summary["faults"], summary["caught"], summary["equivalent"], summary["false_alarms"]) == (1, 1, 1, 0)
    assert (summary["right_kernels"], summary["right_examples"]) == (1, 10)
    assert "1 of 1 faults caught (100.0%)" in out
    assert EQUIVALENT[EQUAL].reason in out
    assert [each["caught"] for each in result["trials"]] == [True, False, False]
    assert [each["algorithm"] for each in result["trials"]] == ["few-samples", "elementwise", "elementwise"]
    assert summary["mutants"] == {
        "planted": 2,
        "of": 9,
        "share": 2 / 9,
        "seed": 7,
        "implementations": 2,
        "executed_elsewhere": 0,
    }
    assert "2 of 9 mutants planted (22.2%, seed 7)" in out


def test_a_fault_that_the_implementation_does_not_execute_is_laid_to_one_that_does(self_test):
    """The gradient of x has a stride of 1 in what it reads: it never takes every second column."""
    mutant = next(
        each
        for each in mutants()
        if each.name.startswith("filling._copy_inner dropped: store(even(")
        and (each.op, each.algorithm) == ("conv2d_backward", "bands")
    )
    code, result, _ = self_test(running._of_mutant(mutant), trial("mutant", FAULT))
    assert code == 0
    assert result["summary"]["faults"] == 1
    assert result["summary"]["mutants"]["executed_elsewhere"] == 1
    assert result["trials"][0]["reason"].startswith("executed by conv2d")


def test_a_survivor_is_named_and_counts_against(self_test):
    code, result, out = self_test(trial("mutant", EQUAL, examples=10, proof=""))
    assert code == 1
    assert result["summary"]["kill_rate"] == 0
    assert f"survivors: {EQUAL}" in out


def test_a_fault_listed_as_equivalent_is_caught(self_test):
    killed = trial("mutant", FAULT)
    code, _, out = self_test(replace(killed, proof="it is not"))
    assert code == 1
    assert f"caught, although listed as equivalent: {killed.name}" in out


CHEAT = "prints a report and ends the process when it is imported"


def test_cheats_are_tried(self_test, warm_children):
    assert {each.kind for each in plan(sample=True, seed=3).trials} == {each.kind for each in ALL}
    code, result, out = self_test(trial("mutant", FAULT), trial("cheat", CHEAT))
    assert code == 0, out
    assert result["summary"]["cheats"] == {"tried": 1, "caught": 1}
    assert result["summary"]["faults"] == 1
    assert "1 of 1 cheats caught" in out


def test_a_cheat_that_passes_is_named_and_counts_against(self_test, monkeypatch):
    monkeypatch.setattr("workbench.selftest.cheats.tried", lambda _cheat, _seed: ("passed", "", 60))
    code, result, out = self_test(trial("mutant", FAULT), trial("cheat", CHEAT))
    assert code == 1
    assert result["summary"]["cheats"] == {"tried": 1, "caught": 0}
    assert f"cheats not caught: {CHEAT}" in out


class Damaged:
    """A process that an earlier kernel damaged: it crashes, fails or reports faults until it is restarted."""

    def __init__(self, damage):
        self.is_running, self.damage, self.asked = True, damage, 0

    def ask(self, trial, _seconds):
        self.asked += 1
        if self.is_running and self.damage == "crash":
            self.is_running = False
            raise NoAnswer("crashes the process", crashed=True)
        if self.is_running and self.damage == "error":
            return "Traceback: a list that is none"
        return running.Outcome(trial=trial, caught=self.is_running, examples=1)

    def end(self):
        self.is_running = False


@pytest.mark.parametrize("planned", [trial("right", "relu_cpu"), trial("mutant", EQUAL)], ids=["right", "equivalent"])
@pytest.mark.parametrize("damage", ["crash", "wrong", "error"])
def test_the_damage_of_one_kernel_is_not_blamed_on_the_next(planned, damage):
    process = Damaged(damage)
    assert not running._outcome(planned, process).caught
    assert process.asked == 2


def test_a_crash_that_a_new_process_shows_is_a_kill():
    class Crashing(Damaged):
        def ask(self, _trial, _seconds):
            self.asked += 1
            raise NoAnswer("crashes the process", crashed=True)

    process = Crashing("crash")
    assert running._outcome(trial("right", "relu_cpu"), process).caught
    assert process.asked == 2


def test_a_fault_of_the_self_test_is_no_kill():
    unknown = Trial(kind="mutant", name="no such mutant", op="relu", device="cpu", algorithm="elementwise")
    with pytest.raises(RuntimeError, match="the self-test itself fails over no such mutant"):
        run([unknown], seed=0, on_outcome=lambda _outcome: None, processes=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["relu", "--self-test"], "--self-test: takes no target", id="with a target"),
        pytest.param(["--self-test", "--device", "cpu"], "--self-test: takes no", id="with a device"),
        pytest.param(["--sample"], "--sample: belongs to --self-test", id="sample alone"),
    ],
)
def test_misuse(arguments, words, capsys):
    assert command_line(["check", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
