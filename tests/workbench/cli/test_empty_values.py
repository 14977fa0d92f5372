"""An empty option or argument is misuse: as a path it would be the working directory."""

import click
import pytest

from workbench.cli import workbench


def takes_text(parameter):
    return isinstance(parameter.type, click.Path | type(click.STRING))


TEXTS = [(name, each) for name, command in workbench.commands.items() for each in command.params if takes_text(each)]


def test_the_paths_are_among_them():
    assert {"out", "json_target", "save", "run_folder", "images", "kernels", "html"} <= {each.name for _, each in TEXTS}


@pytest.mark.parametrize(("name", "parameter"), TEXTS, ids=lambda value: getattr(value, "name", value))
def test_an_empty_text_is_refused(refused, name, parameter, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = [each for each in workbench.commands[name].params if isinstance(each, click.Argument)]
    words = ["" if each is parameter else "x" for each in arguments]
    for option in parameter.opts if isinstance(parameter, click.Option) else ():
        refused([name, *words, option, ""], "an empty text", f"'{option}'")
    if isinstance(parameter, click.Option):
        refused([name, *words, f"{parameter.opts[-1]}="], "an empty text")
    else:
        refused([name, *words], "an empty text")
    assert list(tmp_path.iterdir()) == []
