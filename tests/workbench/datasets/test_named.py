"""Data sets that are fetched, from a server on this machine: whole, damaged, missing and cut off."""

import dataclasses
import gc
import gzip
import io
import re
import struct
import tarfile
import threading
import warnings
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from workbench.datasets import load, named
from workbench.datasets.fetching import CHUNK, MIRROR, cache_folder
from workbench.system.errors import InputError


def idx_file(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def fashion():
    """The four files of a small data set in the form of Fashion-MNIST, and its training images."""
    rng, files = np.random.default_rng(0), {}
    for part, count in (("train", 30), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files |= {f"{part}-images-idx3-ubyte.gz": idx_file(images)}
        files |= {f"{part}-labels-idx1-ubyte.gz": idx_file((np.arange(count) % 10).astype(np.uint8))}
        files[part] = images
    files.pop("t10k")
    return files, files.pop("train")


def cifar(**changes):
    """The archive of a small data set in the form of CIFAR-10, and its training images; ``changes`` replace files."""
    rng, train, archive = np.random.default_rng(0), [], io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as written:
        for name in ("batches.meta.txt", *(f"data_batch_{number}.bin" for number in (2, 1, 3, 4, 5)), "test_batch.bin"):
            images = rng.integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)
            labels = np.arange(10, dtype=np.uint8)
            records = b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))
            content = changes.get(name.partition(".")[0], records)
            if name.startswith("data"):
                train.append((name, images))
            if content is not None:
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(content)
                written.addfile(member, io.BytesIO(content))
    return {"cifar-10-binary.tar.gz": archive.getvalue()}, np.concatenate([images for _, images in sorted(train)])


class Server:
    """Serves ``files`` by path; ``sent`` are the paths that were asked for; ``cut`` is how many bytes it leaves out."""

    def __init__(self):
        self.files, self.sent, self.cut = {}, [], 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.sent.append(self.path)
                content = outer.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write((content or b"")[: len(content or b"") - outer.cut])

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server, an empty cache folder, and no proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = Server()
    monkeypatch.setenv(MIRROR, f"{started.address}/data/")
    yield started
    started.close()
    with warnings.catch_warnings():  # requests leaves the socket of a failed answer to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def publish(server, monkeypatch):
    """Let a data set consist of these files, which the server has."""

    def publish(data, files):
        server.files = {f"/data/{data}/{name}": content for name, content in files.items()}
        changed = {
            file.name: dataclasses.replace(file, sha256=sha256(content).hexdigest(), size=len(content))
            for file in named.FILES[data]
            for content in [files[file.name]]
        }
        monkeypatch.setitem(named.FILES, data, tuple(changed.values()))

    return publish


def test_fashion_mnist(server, publish):
    files, images = fashion()
    publish("fashion-mnist", files)
    for _ in range(2):  # the second time from the cache
        found = load("fashion-mnist")
        assert found.train_images.shape == (30, 1, 28, 28)
        np.testing.assert_array_equal(found.train_images[:, 0], images)
        assert found.classes[0] == "T-shirt/top"
        assert len(found.classes) == 10
        assert found.test_labels.tolist() == list(range(10))
    assert sorted(server.sent) == sorted(server.files)


def test_cifar10(server, publish):
    files, images = cifar()
    publish("cifar10", files)
    found = load("cifar10", channels=3)
    np.testing.assert_array_equal(found.train_images, images)
    assert found.test_images.shape == (10, 3, 32, 32)
    assert (found.classes[3], found.notes) == ("cat", ())
    grey = load("cifar10", image_size=(28, 28))
    assert grey.train_images.shape == (50, 1, 28, 28)
    assert "--channels rgb" in grey.notes[0]


@pytest.mark.parametrize("content", [b"", b"half", "other"], ids=str)
def test_a_damaged_file_is_fetched_again(content, server, publish):
    files, _ = cifar()
    publish("cifar10", files)
    (name, whole), folder = *files.items(), cache_folder("cifar10")
    folder.mkdir(parents=True)
    (folder / name).write_bytes(whole[:-1] + b"x" if content == "other" else content)
    assert len(load("cifar10").train_labels) == 50
    assert server.sent == [f"/data/cifar10/{name}"]
    assert (folder / name).read_bytes() == whole


def test_a_file_put_there_by_hand(server, publish):
    files, _ = cifar()
    publish("cifar10", files)
    cache_folder("cifar10").mkdir(parents=True)
    (cache_folder("cifar10") / "cifar-10-binary.tar.gz").write_bytes(*files.values())
    assert len(load("cifar10").train_labels) == 50
    assert server.sent == []


def failing(server, how):
    """Let the server fail, and return what the error says."""
    path = "/data/fashion-mnist/train-labels-idx1-ubyte.gz"
    if how == "absent":
        server.files.pop(path)
        return "cannot be fetched (status 404)"
    if how == "another":
        server.files[path] = bytes(len(server.files[path]))
        return "not the original, its SHA-256 differs"
    if how == "longer":
        server.files[path] += bytes(3 * CHUNK)
        return "not the original, longer than"
    server.cut = 5
    return "cannot be fetched"


@pytest.mark.parametrize("how", ["absent", "another", "longer", "cut off"])
def test_nothing_is_left_of_a_file_that_is_not_right(how, server, publish):
    publish("fashion-mnist", fashion()[0])
    said = failing(server, how)
    with pytest.raises(InputError) as caught:
        load("fashion-mnist")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for words in (said, "train-labels-idx1-ubyte.gz", str(cache_folder("fashion-mnist")), MIRROR):
        assert words in message
    assert {path.name for path in cache_folder("fashion-mnist").iterdir()} <= {"train-images-idx3-ubyte.gz"}


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:9", "nonsense", "http://nowhere.invalid"])
def test_without_a_server(mirror, server, monkeypatch):
    monkeypatch.setenv(MIRROR, mirror)
    with pytest.raises(InputError, match=r"cannot be fetched \(.*put cifar-10-binary.tar.gz into ") as caught:
        load("cifar10")
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_cannot_be_made(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be made"):
        load("cifar10")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"data_batch_2": b"12"}, ".*data_batch_2.bin has 2 bytes"), ({"test_batch": None}, "without .*test_batch.bin")],
)
def test_an_archive_that_is_not_cifar(changes, said, server, publish):
    publish("cifar10", cifar(**changes)[0])
    with pytest.raises(InputError, match=f"damaged, {said}"):
        load("cifar10")


def test_an_archive_that_cannot_be_unpacked(server, publish):
    (content,) = cifar()[0].values()
    publish("cifar10", {"cifar-10-binary.tar.gz": content[:-50]})
    with pytest.raises(InputError, match="damaged, cannot be unpacked"):
        load("cifar10")


@pytest.mark.parametrize("data", named.FILES)
def test_digests_are_written_out(data):
    for file in named.FILES[data]:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 5000
        assert file.base.startswith("http")
