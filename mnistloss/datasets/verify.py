"""Bytes as they are found, on the way to the published content: inflate within bounds, then verify."""

from __future__ import annotations

import hashlib
import io
import zlib

import numpy as np

from mnistloss.datasets.catalog import File
from mnistloss.errors import IntegrityError

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 16
_AT_HAND = 1 << 18
_MAX_MEMBERS = 5000


class TruncatedError(IntegrityError):
    """Bytes that end before the content does."""


def max_file_size(limit: int) -> int:
    """Return how many bytes a file may have, gzipped or not, that holds `limit` bytes of content."""
    return limit + limit // 100 + (1 << 16)


def inflate(data: bytes, limit: int) -> bytes:
    """Return the content of a file that is plain, gzipped, or gzipped twice (as some servers send it).

    Inflates no more than `limit` bytes and one more, from at most 5,000 gzip members. Longer files or contents,
    broken gzip data and trailing bytes raise IntegrityError; gzip data that end early raise TruncatedError.
    """
    if len(data) > max_file_size(limit):
        raise IntegrityError(_web_page(data) or f"the file is longer than {limit:,} bytes of content can make it")
    content = data
    for _ in range(2):
        if content.startswith(_GZIP):
            content = _gunzip(content, limit)
        if len(content) > limit:
            raise IntegrityError(_web_page(content) or f"the content is longer than the {limit:,} bytes expected")
    return content


def _gunzip(data: bytes, limit: int) -> bytes:
    """Inflate all members of gzip data, up to `limit` bytes and one more."""
    content, start, members = bytearray(), 0, 0
    while start < len(data) and len(content) <= limit:
        if not data.startswith(_GZIP, start):
            raise IntegrityError("there are bytes after the end of the gzip data")
        members += 1
        if members > _MAX_MEMBERS:
            raise IntegrityError(f"the file has more than {_MAX_MEMBERS:,} gzip members")
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not member.eof and len(content) <= limit:
            if start == len(data):
                raise TruncatedError(f"the gzip data ends early, after {len(content):,} bytes of content")
            piece = data[start : start + _PIECE]  # zlib copies what follows a member, so it is given little at a time
            try:
                content += member.decompress(piece, limit + 1 - len(content))
            except zlib.error as error:
                raise IntegrityError(f"the gzip data is broken: {error}") from error
            start += len(piece) - len(member.unused_data)
    return bytes(content)


def read_hashed(stream: io.FileIO, size: int) -> tuple[memoryview, str]:
    """At most `size` bytes and their SHA-256, each piece hashed while the processor has it at hand."""
    content, done = np.empty(size, np.uint8).data, 0
    digest = hashlib.sha256()
    while count := stream.readinto(content[done : done + _AT_HAND]):
        digest.update(content[done : done + count])
        done += count
    return content[:done], digest.hexdigest()


def verify(content: bytes | memoryview, file: File, expected: str | None, found: str | None = None) -> None:
    """Raise IntegrityError unless the content has the size of the file and the expected SHA-256, if one is known.

    found: the digest of the content, where it has been taken already.
    """
    if len(content) != file.size:
        kind = TruncatedError if content[:2] == b"\0\0" and len(content) < file.size else IntegrityError
        raise kind(_web_page(content) or f"found {len(content):,} bytes, expected {file.size:,}")
    if expected is not None:
        check_digest(found or hashlib.sha256(content).hexdigest(), expected)


def check_digest(found: str, expected: str) -> None:
    """Raise IntegrityError unless the digests agree."""
    if found != expected:
        raise IntegrityError(f"found SHA-256 {found}, expected {expected}")


def _web_page(content: bytes | bytearray | memoryview) -> str:
    """What to say of a web page, else nothing."""
    return "found a web page (HTML)" if bytes(content[:64]).lstrip().startswith(b"<") else ""
