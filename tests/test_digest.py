"""The SHA-256 beside the work: the same digest with and without a thread, which never outlives its block."""

import hashlib
import threading
from typing import Any

import numpy as np
import pytest

from mnistloss.arrays.digest import Digest

CONTENT = np.random.default_rng(3).bytes(3_000_001)


def hash_thread() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mnistloss-sha256"]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("piece", [999, 1 << 20, 1 << 22])
def test_digest(inline: bool, piece: int) -> None:
    """Pieces of any size, in two buffers that are filled in turn, give the digest of the whole."""
    buffers = [bytearray(piece), bytearray(piece)]
    with Digest(inline=inline) as digest:
        assert len(hash_thread()) == (not inline)
        for number, start in enumerate(range(0, len(CONTENT), piece)):
            part = CONTENT[start : start + piece]
            buffers[number % 2][: len(part)] = part
            digest.update(memoryview(buffers[number % 2])[: len(part)])
        assert digest.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert not hash_thread()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_the_thread_ends_where_the_work_fails(error: type[BaseException]) -> None:
    """An exception, or Ctrl-C, leaves no thread behind and is raised as it is."""

    def work() -> None:
        with Digest(inline=False) as digest:
            digest.update(CONTENT)
            raise error

    with pytest.raises(error):
        work()
    assert not hash_thread()


def test_an_error_of_the_thread_is_raised_where_the_digest_is_used() -> None:
    """What cannot be hashed is an error of the caller, at the next use."""

    def work() -> None:
        with Digest(inline=False) as digest:
            digest.update("text")
            digest.hexdigest()

    with pytest.raises(TypeError):
        work()
    assert not hash_thread()


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that starts no thread gets the same digest."""

    def start(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with Digest(inline=False) as digest:
        digest.update(CONTENT)
        assert digest.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
