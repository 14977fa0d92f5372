"""The import of a user's file in a process of its own: the command itself never imports one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from workbench.system.errors import InputError
from workbench.system.process import START_SECONDS, Child, NoAnswer
from workbench.target.description import FileFacts, facts
from workbench.target.file import UserFile
from workbench.target.isolation import take_references_away

IMPORT_SECONDS = 60.0
"""Time limit of the import of a user's file, compilation apart."""

Load = Callable[[], UserFile]
"""Imports a user's file."""

Within = Callable[[], AbstractContextManager[Any]]
"""Returns a context in which a user's file is imported."""


def load_for_command(reply: Callable[..., None], load: Load, target: str) -> UserFile | None:
    """Import a file in this process and send the facts about it, for ``receive_facts``; return None after an error."""
    take_references_away()
    reply("ready")
    try:
        loaded = load()
        told = facts(loaded).to_json()
    except InputError as error:
        reply({"error": str(error)})
        return None
    except BaseException as error:
        reply({"error": f"{target}: its import raises {type(error).__name__}"})
        return None
    reply(told)
    return loaded


def receive_facts(child: Child, target: str) -> FileFacts:
    """Wait until a process has imported the file of ``target``, and return the facts that it sends.

    A process that is killed is started once more, since the file need not have done it.

    Raises
    ------
    InputError
        The import fails, ends the process or takes too long; the process has ended.
    """
    try:
        try:
            answer = _imported(child)
        except NoAnswer as reason:
            if not reason.killed:
                raise
            answer = _imported(child)
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            raise InputError(answer["error"])
        return FileFacts.from_json(answer)
    except NoAnswer as reason:
        fault = InputError(f"{target}: its import {reason}; what runs when it is imported?")
    except ValueError:
        fault = InputError(f"{target}: its import sends no facts about its kernels; what does it replace?")
    except InputError as error:
        fault = error
    child.end()
    raise fault from None


def _imported(child: Child) -> Any:
    child.answer(START_SECONDS)
    answer, _ = child.answer(IMPORT_SECONDS)
    return answer


def try_import(load: Load, target: str, within: Within) -> FileFacts:
    """Return the facts about a file, imported in a process that ends then.

    Raises
    ------
    InputError
        As ``receive_facts`` does.
    """
    child = Child(_serve, (load, target, within), is_trusted=False)
    try:
        return receive_facts(child, target)
    finally:
        child.close()


def _serve(reply: Callable[..., None], _receive: Callable[[], Any], load: Load, target: str, within: Within) -> None:
    with within():
        load_for_command(reply, load, target)
