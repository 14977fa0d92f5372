"""The server of the page: what it answers, to whom, and how it ends."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from PIL import Image

from workbench.cli import run as run_workbench
from workbench.demo.server import HOST, MOST_DRAWING, MOST_PICTURE, page_files
from workbench.demo.sight import see
from workbench.network.predict import prepared

JSON, BYTES = "application/json", "application/octet-stream"


def without_time(content):
    return {name: value for name, value in json.loads(content).items() if name != "milliseconds"}


def test_a_drawing_gives_what_predict_and_the_network_say(digits_page, digits, seven):
    status, headers, content = digits_page.draw(seven)
    assert (status, headers["content-type"]) == (200, JSON)
    image = prepared(digits, lambda _: seven[np.newaxis], "seven")
    assert without_time(content) == without_time(msgspec.json.encode(see(digits, image)))
    assert json.loads(content)["best"] == 7


def test_a_picture_file_is_taken_as_by_predict(digits_page, seven):
    paper = io.BytesIO()
    Image.fromarray(255 - np.pad(seven, 40)).save(paper, "JPEG", quality=95)
    status, _, content = digits_page.ask("POST", "/picture", paper.getvalue(), Content_Type=BYTES)
    assert (status, json.loads(content)["best"]) == (200, 7)


def test_the_page_is_made_of_its_files_and_asks_for_nothing_else(digits_page):
    for name, (content, kind) in page_files().items():
        status, headers, answer = digits_page.ask("GET", f"/{name}")
        assert (status, headers["content-type"], answer) == (200, kind, content)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert b"://" not in content.replace(b"http://www.w3.org/2000/svg", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "//etc/passwd",
        "/index.html",
        "/page/main.js",
        "/main.js/",
        "/%00",
    ],
)
def test_nothing_else_is_reachable(digits_page, path):
    status, headers, _ = digits_page.ask("GET", path)
    assert status == 404
    assert "content-security-policy" in headers


@pytest.mark.parametrize("host", ["example.org", f"example.org:{80}", "127.0.0.1", "127.0.0.1:1", "localhost:1", ""])
def test_another_host_is_refused(digits_page, host):
    for method, path in (("GET", "/"), ("GET", "/network"), ("POST", "/drawing")):
        assert digits_page.ask(method, path, Host=host)[0] == 403


def test_its_own_names_are_not(digits_page):
    for host in (f"127.0.0.1:{digits_page.port}", f"localhost:{digits_page.port}"):
        assert digits_page.ask("GET", "/", Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://127.0.0.1"])
def test_a_page_of_another_origin_is_refused(digits_page, origin):
    assert digits_page.ask("POST", "/drawing", "{}", Origin=origin, Content_Type=JSON)[0] == 403


def drawing(width, height, pixels, **more):
    return json.dumps({"width": width, "height": height, "pixels": pixels} | more)


BAD = {
    "no JSON": (400, "/drawing", JSON, "{"),
    "no UTF-8": (400, "/drawing", JSON, b'{"width": "\xff"}'),
    "empty": (400, "/drawing", JSON, ""),
    "a list": (400, "/drawing", JSON, "[]"),
    "nested deeply": (400, "/drawing", JSON, "[" * 100_000),
    "nothing": (400, "/drawing", JSON, "{}"),
    "unknown": (400, "/drawing", JSON, drawing(1, 1, "AA==", more=1)),
    "too few pixels": (400, "/drawing", JSON, drawing(2, 1, "AA==")),
    "no base64": (400, "/drawing", JSON, drawing(1, 1, "!")),
    "no size": (400, "/drawing", JSON, drawing(0, 0, "")),
    "negative": (400, "/drawing", JSON, drawing(-1, -1, "AA==")),
    "a large size": (400, "/drawing", JSON, drawing(10**9, 10**9, "AA==")),
    "a huge number": (400, "/drawing", JSON, '{"width": ' + "9" * 5000 + "}"),
    "too large": (413, "/drawing", JSON, " " * (MOST_DRAWING + 1)),
    "a form": (415, "/drawing", "text/plain", "{}"),
    "no type": (415, "/drawing", "", "{}"),
    "blank": (422, "/drawing", JSON, drawing(2, 2, "AAAAAA==")),
    "no picture": (422, "/picture", BYTES, b"\x89PNG\r\n\x1a\n"),
    "an empty picture": (422, "/picture", BYTES, b""),
    "a large picture": (413, "/picture", BYTES, bytes(MOST_PICTURE + 1)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_in_one_line(digits_page, capfd, name):
    status, path, kind, body = BAD[name]
    try:
        answer, _, content = digits_page.ask("POST", path, body, Content_Type=kind)
    except (BrokenPipeError, ConnectionResetError):  # it was not read to its end
        assert status == 413
    else:
        assert answer == status
        assert len(content.splitlines()) == 1
    assert capfd.readouterr().err == ""


def test_a_body_without_end_is_not_read_to_its_end(digits_page, capfd):
    with socket.create_connection((HOST, digits_page.port), 60) as client:
        head = f"POST /drawing HTTP/1.1\r\nHost: {HOST}:{digits_page.port}\r\nContent-Type: {JSON}\r\n"
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - which of them it is said at
            for _ in range(4 * MOST_DRAWING // 0x10000):
                client.sendall(piece)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
            raise ConnectionResetError
    assert capfd.readouterr().err == ""


def test_methods_and_a_client_that_leaves(digits_page, capfd, seven):
    assert digits_page.ask("GET", "/drawing")[0] == 405
    assert digits_page.ask("DELETE", "/")[0] == 405
    with socket.create_connection((HOST, digits_page.port)) as client:
        head = (
            f"POST /drawing HTTP/1.1\r\nHost: {HOST}:{digits_page.port}\r\nContent-Type: {JSON}\r\nContent-Length: 100"
        )
        client.sendall(f"{head}\r\n\r\n{{".encode())
    with socket.create_connection((HOST, digits_page.port), 60) as client:
        client.sendall(b"no HTTP at all\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert digits_page.draw(seven)[0] == 200
    assert capfd.readouterr().err == ""


def test_an_error_of_the_server_is_one_line(digits_page, capfd, monkeypatch, seven):
    def broken(*_):
        raise RuntimeError("a bug\nwith details")

    monkeypatch.setattr("workbench.demo.server.see", broken)
    assert digits_page.draw(seven)[0] == 500
    told, end = "", time.monotonic() + 10
    while not told.endswith("\n") and time.monotonic() < end:  # the answer can come first
        told += capfd.readouterr().err
    assert told == "workbench: /drawing: raises RuntimeError: a bug\n"


def test_several_clients_get_their_own_answers(digits_page, seven):
    drawings = [seven, seven[::-1].copy(), seven.T.copy(), 255 - seven]
    alone = [without_time(digits_page.draw(each)[2]) for each in drawings]
    with ThreadPoolExecutor(8) as clients:
        together = list(clients.map(digits_page.draw, 6 * drawings))
    assert [without_time(content) for _, _, content in together] == 6 * alone
    assert alone[0] == alone[3] != alone[1]


def refused(capsys, *arguments):
    code = run_workbench(["demo", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    return err


def test_an_occupied_port_is_one_line(capsys, digits_folder, digits_page):
    err = refused(capsys, digits_folder, "--port", digits_page.port)
    assert err == (
        f"workbench: --port {digits_page.port}: another program uses this port; give another port, or 0 for a free one\n"
    )
    assert "65536 is not in the range" in refused(capsys, digits_folder, "--port", 65536)


def test_without_the_libraries_it_says_how_to_install_them(capsys, digits_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    err = refused(capsys, digits_folder)
    assert err.startswith(f"workbench: the page needs uvicorn; install with: {sys.executable} -m pip install ")
    assert "starlette" in err


def test_a_folder_that_is_no_run_is_one_line(capsys, tmp_path):
    assert "no such file" in refused(capsys, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(digits_folder, number):
    command = [sys.executable, "-m", "workbench", "demo", str(digits_folder), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith(f"{digits_folder}: http://127.0.0.1:")
    port = int(line.partition("127.0.0.1:")[2].partition("/")[0])
    client = http.client.HTTPConnection(HOST, port)
    client.request("GET", "/network")
    assert client.getresponse().read().startswith(b'{"name":"digits"')
    process.send_signal(number)  # while the client keeps its connection
    out, err = process.communicate(timeout=60)
    client.close()
    told = "interrupted" if number == signal.SIGINT else "ended by SIGTERM"
    assert (process.returncode, out, err.splitlines()[-1]) == (128 + number, "", f"workbench: {told}")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))
