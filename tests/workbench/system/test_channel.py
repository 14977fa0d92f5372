"""Messages between processes: what they carry, their time limits, and what an untrusted process cannot send."""

import pickle
import socket
import struct

import numpy as np
import pytest

from workbench.system.channel import Channel, NotAnAnswer
from workbench.system.process import Child, NoAnswer


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    yield Channel(here), Channel(there), there
    here.close()
    there.close()


def test_arrays_arrive_writable(ends):
    here, there, _ = ends
    sent = {"x": np.arange(6.0).reshape(2, 3), "text": "é"}
    here.send(sent)
    got = there.receive(60)
    assert got["text"] == "é"
    np.testing.assert_array_equal(got["x"], sent["x"])
    got["x"][0, 0] = 7


def test_data_and_buffers_arrive(ends):
    here, there, _ = ends
    there.send_data(["answer", None], [np.arange(3, dtype=np.uint8), np.zeros(0, np.uint8)])
    content, buffers = here.receive_data(60, (3, 0))
    assert (content, [each.tolist() for each in buffers]) == (["answer", None], [[0, 1, 2], []])


def test_nothing_comes_late(ends):
    here, there, other = ends
    with pytest.raises(TimeoutError):
        here.receive(0.01)
    other.send(b"1")  # a part of a message
    with pytest.raises(TimeoutError):
        here.receive(0.01)
    with pytest.raises(TimeoutError):
        there.send(np.zeros(1 << 24), 0.01)  # nobody reads


FORGED = {
    "a pickle": lambda: (head := pickle.dumps(["answer", print]), struct.pack("<QQ", len(head), 0) + head)[1],
    "a head beyond all sizes": lambda: struct.pack("<QQ", 1 << 60, 0),
    "too many buffers": lambda: struct.pack("<QQ", 2, 1 << 60),
    "a buffer of another size": lambda: struct.pack("<QQQ", 2, 1, 1 << 60),
    "lists without end": lambda: struct.pack("<QQ", 200_000, 0) + b"[" * 200_000,
    "no text": lambda: struct.pack("<QQ", 2, 0) + b"\xff\xfe",
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_no_data_is_no_answer(ends, what):
    here, _, other = ends
    other.sendall(FORGED[what]())
    with pytest.raises(NotAnAnswer):
        here.receive_data(60, (4,))


def forger(reply, receive):
    reply({"sizes": receive()}, [np.zeros(3, np.uint8)])


def test_a_child_that_is_not_trusted_answers_in_data(warm_children):
    child = Child(forger, (), is_trusted=False)
    content, (buffer,) = child.ask([1], 60, (3,))
    assert (content, buffer.tolist()) == ({"sizes": [1]}, [0, 0, 0])
    child.end()
    with pytest.raises(NoAnswer, match="something other than a result: its buffers are not those of an answer"):
        child.ask([1], 60, (4,))
    child.close()
