"""Bytes as they are found, on the way to the published content: inflate within bounds, then verify."""

from __future__ import annotations

import hashlib
import io
import zlib
from typing import Any

import numpy as np

from mnistloss.datasets.catalog import File
from mnistloss.errors import IntegrityError

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 16
_AT_HAND = 1 << 18
_MOST_MEMBERS = 5000


class TruncatedError(IntegrityError):
    """Bytes that end before the content does."""


class Inflater:
    """The content of a file from its bytes, gzipped or not, as they arrive.

    What a gzip file holds may be gzipped once more, as where a server compresses what is compressed already.
    Never holds more than `limit` bytes of content and a byte, nor takes more than could make so many.
    """

    def __init__(self, limit: int, *, twice: bool = True) -> None:
        self._limit = limit
        self._twice = twice
        self._most = limit + limit // 100 + (1 << 16)
        self._received = 0
        self._digest = hashlib.sha256()
        self._content = bytearray()
        self._members = 0
        self._pending = b""
        self._plain = False
        self._gzip: Any = None

    @property
    def sha256(self) -> str:
        """The digest of the bytes as they came."""
        return self._digest.hexdigest()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self._received += len(data)
        self._digest.update(data)
        if self._received > self._most:
            raise IntegrityError(f"the file is longer than {self._limit:,} bytes of content can make it")
        for start in range(0, len(data), _PIECE):
            self._feed(data[start : start + _PIECE])

    def _feed(self, piece: bytes) -> None:
        data = self._pending + piece
        self._pending = b""
        while data:
            if self._plain:
                self._take(data)
                return
            if self._gzip is None or self._gzip.eof:
                if len(data) < len(_GZIP):
                    self._pending = data
                    return
                self._start(data)
            else:
                data = self._inflate(data)

    def finish(self) -> bytes:
        """The whole content, once the last bytes were fed."""
        if self._gzip is None:
            return bytes(self._content) + self._pending
        if self._pending:
            raise IntegrityError("there are bytes after the end of the gzip data")
        if not self._gzip.eof:
            raise TruncatedError(f"the gzip data ends early, after {len(self._content):,} bytes of content")
        content = bytes(self._content)
        if not self._twice or not content.startswith(_GZIP):
            return content
        inner = Inflater(self._limit, twice=False)
        inner.feed(content)
        return inner.finish()

    def _start(self, data: bytes) -> None:
        """Begin the file, or a further member of gzip data."""
        if data.startswith(_GZIP):
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise IntegrityError(f"the file has more than {_MOST_MEMBERS:,} gzip members")
            self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif self._gzip is None:
            self._plain = True
        else:
            raise IntegrityError("there are bytes after the end of the gzip data")

    def _inflate(self, data: bytes) -> bytes:
        """Take what the data inflate to; returns what comes after the member."""
        room = self._limit - len(self._content) + 1
        try:
            self._take(self._gzip.decompress(data, room))
        except zlib.error as error:
            raise IntegrityError(f"the gzip data is broken: {error}") from error
        unused: bytes = self._gzip.unused_data
        return unused

    def _take(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > self._limit:
            expected = f"the content is longer than the {self._limit:,} bytes expected"
            raise IntegrityError(_page(self._content) or expected)


def inflate(data: bytes, limit: int) -> bytes:
    """The content of a whole file that may be gzipped; more than `limit` bytes raise IntegrityError."""
    inflater = Inflater(limit)
    inflater.feed(data)
    return inflater.finish()


def read_hashed(stream: io.FileIO, size: int) -> tuple[memoryview, str]:
    """At most `size` bytes and their SHA-256, each piece hashed while the processor has it at hand."""
    content, done = np.empty(size, np.uint8).data, 0
    digest = hashlib.sha256()
    while count := stream.readinto(content[done : done + _AT_HAND]):
        digest.update(content[done : done + count])
        done += count
    return content[:done].toreadonly(), digest.hexdigest()


def verify(content: bytes | memoryview, file: File, expected: str | None, found: str | None = None) -> None:
    """Raise IntegrityError unless the content has the size of the file and the expected SHA-256, if one is known.

    found: the digest of the content, where it has been taken already.
    """
    if len(content) != file.size:
        kind = TruncatedError if content[:2] == b"\0\0" and len(content) < file.size else IntegrityError
        raise kind(_page(content) or f"found {len(content):,} bytes, expected {file.size:,}")
    if expected is not None:
        check_digest(found or hashlib.sha256(content).hexdigest(), expected)


def check_digest(found: str, expected: str) -> None:
    """Raise IntegrityError unless the digests agree."""
    if found != expected:
        raise IntegrityError(f"found SHA-256 {found}, expected {expected}")


def _page(content: bytes | bytearray | memoryview) -> str:
    """What to say of a web page, else nothing."""
    return "found a web page (HTML)" if bytes(content[:64]).lstrip().startswith(b"<") else ""
