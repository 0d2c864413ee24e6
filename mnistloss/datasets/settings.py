"""How files are come by: where they are cached, and whether, from where and how patiently they are fetched."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mnistloss.errors import ArgumentError

OFFLINE_VARIABLE = "MNISTLOSS_OFFLINE"
_DAY = 86_400

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and how many are expected (None: not known)."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds: for a connection, for the next bytes, and for a file in all.

    attempts: how often one mirror is asked. backoff: the wait before the second attempt, doubled before
    each further one, with jitter; a server's Retry-After is heeded up to `retry_after`.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 600.0
    attempts: int = 3
    backoff: float = 0.5
    retry_after: float = 10.0

    def __post_init__(self) -> None:
        for what in ("connect", "read", "total"):
            seconds = getattr(self, what)
            if not 0 < seconds <= _DAY:
                raise ArgumentError(f"the {what} time is {seconds:g} s; expected more than 0 and at most {_DAY:,} s")


class CacheOptions(NamedTuple):
    """How files are come by: where they are cached, and whether, from where and how patiently they are fetched.

    cache_dir: see `folder`. download: whether a socket may be opened; MNISTLOSS_OFFLINE=1 forbids it too.
    force: download although the cache has the file. mirrors: instead of the catalog's.
    """

    cache_dir: str | os.PathLike[str] | None = None
    download: bool = True
    force: bool = False
    mirrors: Sequence[str] = ()
    insecure_http: bool = False
    timeouts: Timeouts = Timeouts()
    progress: Progress | None = None

    @property
    def may_download(self) -> bool:
        """Whether a socket may be opened."""
        return self.download and os.environ.get(OFFLINE_VARIABLE, "") in ("", "0")


CACHE_DEFAULTS = CacheOptions()
