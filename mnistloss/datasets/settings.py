"""Cache location and download settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mnistloss.errors import ArgumentError

OFFLINE_VARIABLE = "MNISTLOSS_OFFLINE"
MIN_BYTES = 1000
"""A mirror must deliver at least this many bytes per second, on average over the timeout."""

_DAY = 86_400

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and the bytes expected (None: unknown)."""


class Timeouts:
    """Time limits and retries of a download, in seconds.

    timeout: the longest wait for a connection or for the next bytes, and the time over which a mirror must deliver
    `MIN_BYTES` per second. deadline: for one file, all mirrors and attempts together. attempts: how often each mirror
    is asked. backoff: the wait before the second attempt; it varies at random and doubles before each further attempt.
    retry_after: a longer Retry-After of a server is not waited for.
    """

    def __init__(
        self,
        timeout: float = 10.0,
        deadline: float = 600.0,
        attempts: int = 3,
        backoff: float = 0.5,
        retry_after: float = 10.0,
    ) -> None:
        self.timeout = timeout
        self.deadline = deadline
        self.attempts = attempts
        self.backoff = backoff
        self.retry_after = retry_after
        for name, seconds in (("timeout", timeout), ("deadline", deadline)):
            if not 0 < seconds <= _DAY:
                raise ArgumentError(f"{name}={seconds:g} (seconds): expected more than 0 and at most {_DAY:,}")


class CacheOptions(NamedTuple):
    """Cache location and download settings.

    cache_dir: see `cache.folder`. download: whether a socket may be opened; MNISTLOSS_OFFLINE=1 forbids it too.
    force: download a file even if it is in the cache. mirrors: used instead of the catalog's.
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
