"""Files of data sets fetched from where they are published, verified by SHA-256, and kept in the user's cache folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from platformdirs import user_cache_path
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from workbench.system.errors import InputError, first_line
from workbench.system.progress import live_progress
from workbench.system.render import message_console

MIRROR = "WORKBENCH_MIRROR"
"""The environment variable with the address of another server: files are at <address>/<data set>/<file>."""

SECONDS = 30
"""How long a server may be silent."""

CHUNK = 2**16
"""The bytes that are written at a time."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file: its name, the address of its folder, its SHA-256, and its size in bytes."""

    name: str
    base: str
    sha256: str
    size: int


def cache_folder(data: str) -> Path:
    """Return the folder of the files of a data set."""
    return Path(user_cache_path("kernel-workbench", appauthor=False)) / "datasets" / data


def fetch(data: str, files: tuple[RemoteFile, ...]) -> Path:
    """Return the folder with the files of a data set, after those that are missing or damaged were downloaded.

    A file appears under its name when it is whole and its digest is right.

    Raises
    ------
    InputError
        A file cannot be fetched, or is not the original; the message says where to put the files by hand.
    """
    folder = cache_folder(data)
    missing = [file for file in files if not _is_whole(folder / file.name, file)]
    if not missing:
        return folder
    names = ", ".join(file.name for file in missing)
    remedy = f"try again, put {names} into {folder}, or set {MIRROR} to a server with {data}/{missing[0].name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror}); set XDG_CACHE_HOME to a folder of yours"
        ) from error
    with _bar() as bar:
        for file in missing:
            _download(data, file, folder, bar, remedy)
    return folder


def _is_whole(path: Path, file: RemoteFile) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        with path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _download(data: str, file: RemoteFile, folder: Path, bar: Progress, remedy: str) -> None:
    import pooch  # with requests, which is slow to import
    import requests

    mirror = os.environ.get(MIRROR)
    base = f"{mirror.rstrip('/')}/{data}" if mirror else file.base.rstrip("/")
    url = f"{base}/{file.name}"
    pooch.get_logger().setLevel("ERROR")
    bar.console.print(f"downloading {url} ({file.size / 1e6:,.1f} MB)")
    shown = _Shown(bar, bar.add_task(file.name, total=file.size), url, file.size, remedy)
    downloader = pooch.HTTPDownloader(progressbar=shown, timeout=SECONDS, chunk_size=CHUNK)
    (folder / file.name).unlink(missing_ok=True)  # pooch would compute the digest of a damaged file again
    try:
        pooch.retrieve(url, f"sha256:{file.sha256}", fname=file.name, path=folder, downloader=downloader)
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be fetched ({_reason(error)}); {remedy}") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); {remedy}") from error
    except ValueError as error:
        if "hash" not in str(error):  # an address without meaning
            raise InputError(f"{url}: cannot be fetched ({first_line(error)}); {remedy}") from error
        raise InputError(f"{url}: not the original, its SHA-256 differs; {remedy}") from error


def _reason(error: BaseException) -> str:
    """Return why a request failed: the status of the answer, or the innermost of the errors, which names the cause."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    inner = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return first_line(inner)


@contextmanager
def _bar() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(compact=True),
    )
    with live_progress(message_console(), *columns) as bar:
        yield bar


class _Shown:
    """The progress of a download, with the methods of tqdm that pooch calls; refuses more bytes than the file has."""

    def __init__(self, bar: Progress, task: TaskID, url: str, size: int, remedy: str) -> None:
        self._bar, self._task, self._url, self._size, self._remedy = bar, task, url, size, remedy
        self._done = 0
        self.total = size  # set by pooch, to what the server says

    def update(self, count: int) -> None:
        """Count bytes that have arrived; the last chunk counts as a whole one."""
        self._done += count
        if self._done >= self._size + CHUNK:
            raise InputError(f"{self._url}: not the original, longer than {self._size:,} bytes; {self._remedy}")
        self._bar.update(self._task, completed=min(self._done, self._size))

    def reset(self) -> None:
        """Begin again: pooch does so before it shows a finished bar."""
        self._done = 0

    def close(self) -> None:
        """Do nothing: the bar is closed with all others."""
