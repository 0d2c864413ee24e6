"""Bytes as they are found, on the way to the published content: inflate within bounds, then verify."""

from __future__ import annotations

import hashlib
import zlib

from mnistloss.datasets.catalog import File
from mnistloss.errors import IntegrityError

_GZIP = b"\x1f\x8b"


class Inflater:
    """The content of a file from its bytes, gzipped or not, as they arrive.

    Never holds more than `limit` bytes; one byte more raises IntegrityError.
    """

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit
        self._head = b""
        self._gzip: zlib._Decompress | None = None
        self._started = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        if not self._started:
            self._head += chunk
            if len(self._head) < len(_GZIP):
                return
            chunk, self._head = self._head, b""
            self._started = True
            self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if chunk.startswith(_GZIP) else None
        if self._gzip is None:
            self._take(chunk)
            return
        if self._gzip.eof and chunk:
            raise IntegrityError("there are bytes after the end of the gzip data")
        try:
            room = self._limit - len(self.content) + 1
            self._take(self._gzip.decompress(chunk, room))
        except zlib.error as error:
            raise IntegrityError(f"the gzip data is broken: {error}") from error
        if self._gzip.unused_data:
            raise IntegrityError("there are bytes after the end of the gzip data")

    def finish(self) -> bytes:
        """The whole content, once the last bytes were fed."""
        if self._gzip is not None and not self._gzip.eof:
            raise IntegrityError(f"the gzip data ends early, after {len(self.content):,} bytes of content")
        return bytes(self.content + self._head)

    def _take(self, piece: bytes) -> None:
        if len(self.content) + len(piece) > self._limit:
            raise IntegrityError(f"the content is longer than the {self._limit:,} bytes expected")
        self.content += piece


def verify(content: bytes, file: File) -> None:
    """Raise IntegrityError unless this is the published content of the file."""
    if len(content) != file.size:
        raise IntegrityError(f"found {len(content):,} bytes, expected {file.size:,}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise IntegrityError(f"found SHA-256 {digest}, expected {file.sha256}")


def inflate(data: bytes, limit: int) -> bytes:
    """The content of a whole file that may be gzipped; more than `limit` bytes raise IntegrityError."""
    inflater = Inflater(limit)
    inflater.feed(data)
    return inflater.finish()
