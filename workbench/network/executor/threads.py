"""Python threads that run compiled functions concurrently.

The compiled functions release the interpreter lock and distribute their work themselves. A parallel loop of Numba would do
the same, but takes twice as long to compile, and its threading layers differ in what they support: a fork, calls from
several threads. These threads do not survive a fork; a child creates its own.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


@lru_cache(maxsize=1)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="workbench")


def run_on_threads(threads: int, work: Callable[[int], None]) -> None:
    """Call work(0) here and work(1), ... work(threads - 1) on other threads; return when all have returned."""
    others = [_pool(os.getpid(), threads - 1).submit(work, number) for number in range(1, threads)]
    work(0)
    for each in others:
        each.result()
