"""Inflate the bytes of a file within bounds, and verify the size and the SHA-256 of the content."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from mnistloss.arrays.digest import Digest
from mnistloss.datasets.catalog import File
from mnistloss.errors import IntegrityError

_GZIP = b"\x1f\x8b"
_INFLATE_BLOCK = 1 << 16
_HASH_BLOCK = 1 << 20
_MAX_MEMBERS = 5000


class TruncatedError(IntegrityError):
    """A file that ends early."""


def max_file_size(limit: int) -> int:
    """Return how many bytes a file with `limit` bytes of content may have, compressed or not."""
    return limit + limit // 100 + (1 << 16)


def inflate(data: bytes, limit: int) -> bytes:
    """Return the content of a file that is plain, gzipped, or gzipped twice (as some servers send it).

    Inflates at most `limit` + 1 bytes, from at most 5,000 gzip members. Longer files or contents, broken gzip data
    and bytes after its end raise IntegrityError; gzip data that ends early raises TruncatedError.
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
    """Inflate the members of gzip data, at most `limit` + 1 bytes."""
    import zlib

    if data.count(_GZIP + b"\x08") > _MAX_MEMBERS:
        raise IntegrityError(f"the file has more than {_MAX_MEMBERS:,} gzip members")
    content, start = bytearray(), 0
    while start < len(data) and len(content) <= limit:
        if not data.startswith(_GZIP, start):
            raise IntegrityError("there are bytes after the end of the gzip data")
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not member.eof and len(content) <= limit:
            if start == len(data):
                raise TruncatedError(f"the gzip data ends early, after {len(content):,} bytes of content")
            # in blocks, because zlib copies what follows a member: many members would cost quadratic time
            block = data[start : start + _INFLATE_BLOCK]
            try:
                content += member.decompress(block, limit + 1 - len(content))
            except zlib.error as error:
                raise IntegrityError(f"the gzip data is broken: {error}") from error
            start += len(block) - len(member.unused_data)
    return bytes(content)


def read_and_hash(stream: io.FileIO, size: int) -> tuple[memoryview, str]:
    """Return at most `size` bytes of a stream, and their SHA-256, which is taken beside the read."""
    content, end = np.empty(size, np.uint8).data, 0
    with Digest(inline=size <= _HASH_BLOCK) as digest:
        while count := stream.readinto(content[end : end + _HASH_BLOCK]):
            digest.update(content[end : end + count])
            end += count
        return content[:end], digest.hexdigest()


def verify(content: bytes | memoryview, file: File, expected: str | None, digest: str | None = None) -> None:
    """Raise IntegrityError unless the content has the published size and, where one is given, the expected SHA-256.

    digest: the SHA-256 of the content; None computes it.
    """
    if len(content) != file.size:
        kind = TruncatedError if content[:2] == b"\0\0" and len(content) < file.size else IntegrityError
        raise kind(_web_page(content) or f"found {len(content):,} bytes, expected {file.size:,}")
    digest = digest or hashlib.sha256(content).hexdigest()
    if digest != (expected or digest):
        raise IntegrityError(f"found SHA-256 {digest}, expected {expected}")


def _web_page(content: bytes | memoryview) -> str:
    """Return the message for a web page, or an empty string."""
    return "found a web page (HTML)" if bytes(content[:64]).lstrip().startswith(b"<") else ""
