"""Settings of a training: the files that they are read from, and the schedules of the learning rate."""

import json

import pytest

from workbench.network.schedule import SCHEDULES, Schedule
from workbench.network.settings import TrainRequest, read_request
from workbench.system.errors import InputError


@pytest.fixture
def toml(tmp_path):
    """A function that writes a TOML file and returns its path."""

    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


def test_without_a_file_the_defaults_hold():
    assert read_request(None, {}) == TrainRequest()
    assert read_request(None, {"lr": 0.1, "epochs": 2}) == TrainRequest(lr=0.1, epochs=2)


def test_a_file_sets_and_the_command_line_wins(toml):
    path = toml(
        'epochs = 3\nbatch-size = 32\nlr = 1\nimage-size = "32x24"\nchannels = "rgb"\nkernels = ["a.py", "b.py:f"]\n'
        'schedule = "cosine"\nnesterov = true\n'
    )
    expected = {"batch_size": 32, "image_size": (32, 24), "channels": 3, "kernels": ("a.py", "b.py:f")}
    whole = TrainRequest(epochs=3, lr=1.0, schedule="cosine", nesterov=True, **expected)
    assert read_request(path, {}) == whole
    assert read_request(path, {"epochs": 7, "nesterov": False}) == TrainRequest(
        epochs=7, lr=1.0, schedule="cosine", nesterov=False, **expected
    )


@pytest.mark.parametrize("size", ["28", "[28, 28]", '"28x28"', '"28"'])
def test_a_size_is_one_number_or_two(toml, size):
    assert read_request(toml(f"image-size = {size}"), {}).image_size == (28, 28)


WRONG = [
    ("epoch = 3", "unknown setting 'epoch'; did you mean epochs?"),
    ("batch_sise = 3", "unknown setting 'batch_sise'; did you mean batch-size?"),
    ("nothing-like-it = 3", "unknown setting 'nothing-like-it'; must be one of model, data, epochs"),
    ("batch-size = 3\nbatch_size = 4", "batch-size is given twice"),
    ('epochs = "five"', "epochs: expected `int | null`, got `str`"),
    ("epochs = 0", "epochs: expected `int` >= 1"),
    ("epochs = true", "epochs: expected `int | null`, got `bool`"),
    ("lr = nan", "lr: "),
    ("lr = -1", "lr: expected `float` > 0"),
    ("momentum = 1", "momentum: expected `float` < 1.0"),
    ("image-size = 0", "image-size[0]: expected `int` >= 1"),
    ('image-size = "wide"', "image-size: expected"),
    ('channels = "cmyk"', "channels: "),
    ("seed = -1", "seed: expected `int` >= 0"),
    ('kernels = "mine.py"', "kernels: expected `array`, got `str`"),
    ("epochs = ", "not a TOML file ("),
    ("[training]\nepochs = 3", "unknown setting 'training'"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_file_that_is_wrong_names_key_and_fault(toml, text, words):
    path = toml(text)
    with pytest.raises(InputError) as caught:
        read_request(path, {})
    message = str(caught.value)
    assert message.startswith(f"{path}: {words}")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimizer": "sdg"}, "unknown --optimizer 'sdg'; did you mean sgd?"),
        ({"schedule": "cosinus"}, "unknown --schedule 'cosinus'; did you mean cosine?"),
        ({"nesterov": True, "optimizer": "adam"}, "--nesterov: adam has none"),
        ({"lr": float("inf")}, "--lr inf: must be a finite number"),
        ({"nesterov": True, "momentum": 0.0}, "--nesterov: needs a --momentum above 0"),
    ],
)
def test_settings_that_contradict_each_other(given, words):
    with pytest.raises(InputError) as caught:
        read_request(None, given)
    assert str(caught.value).startswith(words)


def test_a_run_json_is_a_configuration(tmp_path):
    config = {
        **{"model": "lenet5", "spec": "dense 10", "data": "mnist", "seed": 5, "image_size": [28, 28], "channels": 3},
        **{"classes": ["a"], "preparation": "mnist", "optimizer": "adamw", "lr": 0.002, "weight_decay": 0.1},
        **{"schedule": "one-cycle", "warmup": 7, "label_smoothing": 0.1, "threads": 64, "executor": "ops"},
    }
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"schema": 1, "config": config, "executor": "ops"}))
    assert read_request(path, {"lr": 0.003}) == TrainRequest(
        **{"seed": 5, "image_size": (28, 28), "channels": 3, "optimizer": "adamw", "lr": 0.003, "weight_decay": 0.1},
        **{"schedule": "one-cycle", "warmup": 7, "label_smoothing": 0.1, "executor": "ops"},
    )
    del config["schedule"]
    path.write_text(json.dumps({"schema": 1, "config": config, "executor": "ops"}))
    assert read_request(path, {}).schedule == "constant"  # as it was before there were schedules
    path.write_text("{}")
    with pytest.raises(InputError, match=r"run.json: damaged: at \$: "):
        read_request(path, {})
    with pytest.raises(InputError, match=r"nowhere.toml: cannot be read"):
        read_request(tmp_path / "nowhere.toml", {})


def rates(kind, steps, **settings):
    schedule = Schedule(kind=kind, lr=1.0, steps=steps, **settings)
    return [schedule(taken) for taken in range(steps)]


def test_the_schedules_are_their_formulas():
    assert rates("constant", 3) == [1, 1, 1]
    assert rates("step", 8) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert rates("cosine", 4) == pytest.approx([1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5])
    assert rates("constant", 6, warmup=4) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert rates("cosine", 6, warmup=2)[:4] == pytest.approx([0.5, 1, 1, 0.5 + 0.5**1.5])


def test_one_cycle_rises_and_falls():
    found = rates("one-cycle", 100)
    assert found[0] == pytest.approx(1 / 25)
    assert found[29] == max(found) == 1
    assert found[-1] == pytest.approx(1 / 25e4)
    assert found[:30] == sorted(found[:30])
    assert found[29:] == sorted(found[29:], reverse=True)
    assert rates("one-cycle", 100, warmup=50)[49] == 1


def test_one_cycle_is_pytorchs():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=77, cycle_momentum=False)
    for taken in range(77):
        assert Schedule(kind="one-cycle", lr=0.3, steps=77)(taken) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        if taken < 76:
            theirs.step()


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_rates_are_positive_and_at_most_the_largest(kind, steps):
    for warmup in range(steps):
        assert all(0 < rate <= 1 for rate in rates(kind, steps, warmup=warmup))


def test_a_warmup_longer_than_the_training():
    TrainRequest(warmup=9).check_steps(10)
    with pytest.raises(InputError, match=r"--warmup 10: the training has 10 steps; use at most 9"):
        TrainRequest(warmup=10).check_steps(10)
