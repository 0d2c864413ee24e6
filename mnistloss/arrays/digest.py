"""The SHA-256 of data that comes in pieces, computed by a thread beside the work on them."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Any


class Digest:
    """A SHA-256. Its thread ends with the `with` block, whatever happens in it; `inline` needs no thread.

    A piece given to `update` must stay as it is until the next piece was given, so two buffers in turn are enough.
    """

    def __init__(self, *, inline: bool) -> None:
        self._sha256 = hashlib.sha256()
        self._inline = inline

    def __enter__(self) -> Digest:
        if not self._inline:
            import queue
            import threading

            self._pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self._done: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
            self._done.put(None)
            self._thread = threading.Thread(target=self._hash, name="mnistloss-sha256", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # a system without threads, or with too many
                self._inline = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if not self._inline:
            self._pieces.put(None)
            self._thread.join()

    def update(self, piece: Any) -> None:
        """Add the next piece, bytes that are contiguous; wait until the one before it is hashed."""
        if self._inline:
            self._sha256.update(piece)
            return
        self._pieces.put(piece)
        self._wait()

    def hexdigest(self) -> str:
        """Return the digest of all pieces; no more can be added."""
        if not self._inline:
            self._wait()
            self._done.put(None)
        return self._sha256.hexdigest()

    def _wait(self) -> None:
        if error := self._done.get():
            raise error

    def _hash(self) -> None:
        while (piece := self._pieces.get()) is not None:
            error = None
            try:
                self._sha256.update(piece)
            except Exception as failure:
                error = failure
            del piece
            self._done.put(error)
