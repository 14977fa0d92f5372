"""Child processes that several threads use at the same time."""

import threading
import time
from multiprocessing.process import BaseProcess

from workbench.system.process import Child


def echo(reply, receive):
    while True:
        reply(receive())


def test_a_process_that_ends_keeps_its_exit_status_from_one_that_starts(monkeypatch):
    # multiprocessing, starting a process, waits for all that have ended; who ended one would find it running still
    ending, starting = Child(echo, ()), Child(echo, ())
    assert ending.ask(1, 60) == 1
    happened = []
    join, start = BaseProcess.join, BaseProcess.start

    def slow_join(process, timeout=None):
        other.start()
        time.sleep(0.2)
        join(process, timeout)
        happened.append("ended")

    def noted_start(process):
        happened.append("starts")
        start(process)

    answers = []
    other = threading.Thread(target=lambda: answers.append(starting.ask(2, 60)))
    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "join", slow_join)
        patch.setattr(BaseProcess, "start", noted_start)
        ending.end()
        other.join()
    starting.close()
    ending.close()
    assert happened == ["ended", "starts"]
    assert answers == [2]
