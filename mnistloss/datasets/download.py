"""A list of addresses -> one verified file, in bounded time and memory.

What may pass is tried again: silence, a connection that breaks, too few bytes, and the statuses 408, 429
and 5xx. What would only fail again is not, such as 404, a host that is not there, or another content: the next
mirror is asked at once.
"""

from __future__ import annotations

import hashlib
import os
import queue
import random
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from mnistloss.datasets.catalog import File
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions, Timeouts
from mnistloss.datasets.verify import TruncatedError, check_digest, inflate, max_file_size, verify
from mnistloss.errors import ArgumentError, DownloadError, IntegrityError, UnavailableError
from mnistloss.formatting import shown
from mnistloss.version import __version__

_CHUNK = 1 << 16
_REDIRECTS = 5
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class TransientError(DownloadError):
    """A failure that may pass; `wait` is what the server asked for, if it did."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def check_mirror(url: str, *, insecure_http: bool = False) -> str:
    """An address that may be asked: https, or plain http to this machine or where it is allowed.

    Anything else raises ArgumentError. The digest of the content decides in either case.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ArgumentError(f"{redact_credentials(url)} is no address of a mirror: {error}") from error
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname and (insecure_http or parts.hostname in _LOOPBACK):
        return url
    if parts.scheme == "http" and parts.hostname:
        raise ArgumentError(f"{redact_credentials(url)} is plain http; expected https (or add --insecure-http)")
    raise ArgumentError(f"{redact_credentials(url)} is no address of a mirror; expected https://HOST/FOLDER/")


def download(file: File, mirrors: Iterable[str], cache_options: CacheOptions = CACHE_DEFAULTS) -> bytes:
    """The content of `file` from the first mirror that delivers it, verified.

    Never reads or inflates more than the published size and a byte, never takes longer than `cache_options.timeouts`.
    Raises UnavailableError, with the reason of each mirror, where none delivers.
    """
    deadline = time.monotonic() + cache_options.timeouts.total
    reasons = []
    urls = [f"{mirror.rstrip('/')}/{file.archive}" for mirror in mirrors]
    for url in [check_mirror(url, insecure_http=cache_options.insecure_http) for url in urls]:
        attempt = _Attempt(url, file, cache_options, deadline)
        try:
            return _persist(attempt)
        except DownloadError as error:
            reasons.append(f"  {redact_credentials(url)}\n    {error}")
    raise UnavailableError(f"{file.name} could not be downloaded:\n" + "\n".join(reasons))


def _persist(attempt: _Attempt) -> bytes:
    """Ask one mirror, again where the failure may pass."""
    timeouts, number = attempt.cache_options.timeouts, 1
    while True:
        try:
            return attempt.in_time()
        except TransientError as error:
            wait = timeouts.backoff * 2 ** (number - 1) * random.uniform(0.5, 1.5)
            wait = wait if error.wait is None else max(wait, error.wait)
            if number >= timeouts.attempts or wait > min(timeouts.retry_after, attempt.left()):
                raise DownloadError(f"{error} ({number} attempt{'s' if number > 1 else ''})") from error
            time.sleep(wait)
            number += 1


@dataclass(frozen=True)
class _Attempt:
    """One request for one file."""

    url: str
    file: File
    cache_options: CacheOptions
    deadline: float

    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def in_time(self) -> bytes:
        """The verified content, or DownloadError at the deadline, whatever name server or headers are doing."""
        outcome: queue.Queue[bytes | BaseException] = queue.Queue()

        def work() -> None:
            try:
                outcome.put(self.run())
            except BaseException as error:
                outcome.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            result = outcome.get(timeout=self.left())
        except queue.Empty:
            raise DownloadError(self._too_slow()) from None
        if isinstance(result, BaseException):
            raise result
        return result

    def run(self) -> bytes:
        """The verified content, or DownloadError with the reason."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.headers.update({"User-Agent": f"mnistloss/{__version__}", "Accept-Encoding": "identity"})
                with self._follow(session) as response:
                    _check_status(response)
                    return self._body(response)
        except TruncatedError as error:
            raise TransientError(f"delivered too little: {error}") from error
        except IntegrityError as error:
            raise DownloadError(f"delivered something else: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _reason(error, self.cache_options.timeouts) from error

    def _follow(self, session: requests.Session) -> requests.Response:
        """The response behind redirects, each held to the same rules as a mirror, and never from https to http."""
        url, timeouts = self.url, self.cache_options.timeouts
        for _ in range(_REDIRECTS + 1):
            response = session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(timeouts.connect, timeouts.read),
                proxies=requests.utils.get_environ_proxies(url, no_proxy=None),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            )
            if not response.is_redirect:
                return response
            response.close()
            before, url = url, urljoin(url, response.headers["Location"])
            try:
                check_mirror(url, insecure_http=self.cache_options.insecure_http)
            except ArgumentError as error:
                raise DownloadError(f"redirects to a place that is not asked: {error}") from error
            if urlsplit(before).scheme == "https" and urlsplit(url).scheme != "https":
                raise DownloadError(f"redirects from https to {redact_credentials(url)}, which is not followed")
        raise DownloadError(f"redirects more than {_REDIRECTS} times")

    def _body(self, response: requests.Response) -> bytes:
        """The content, from the bytes as they were sent: a Content-Encoding is not believed but looked at."""
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        chunks, received = [], 0
        read = getattr(response.raw, "read1", response.raw.read)
        while received <= max_file_size(self.file.size) and (chunk := read(_CHUNK, decode_content=False)):
            chunks.append(chunk)
            received += len(chunk)
            if self.cache_options.progress is not None:
                self.cache_options.progress(self.file.name, received, total)
            if not self.left():
                raise DownloadError(self._too_slow())
        body = b"".join(chunks)
        content = inflate(body, self.file.size)
        if self.file.archive_sha256 is not None:
            check_digest(hashlib.sha256(body).hexdigest(), self.file.archive_sha256)
        verify(content, self.file, self.file.sha256)
        return content

    def _too_slow(self) -> str:
        return f"too slow: not done within {self.cache_options.timeouts.total:g} s for the file"


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status == requests.codes.ok:
        return
    answer = shown(f"answered {status} {response.reason}".strip())
    if status in (408, 429) or 500 <= status <= 599:
        wait = response.headers.get("Retry-After", "")
        raise TransientError(answer, float(wait) if wait.isdecimal() else None)
    raise DownloadError(answer)


def _reason(error: Any, timeouts: Timeouts) -> DownloadError:
    """What went wrong in one line, without the nesting of the libraries below."""
    match error:
        case requests.ConnectTimeout():
            return TransientError(f"no connection within {timeouts.connect:g} s")
        case requests.Timeout() | urllib3.exceptions.ReadTimeoutError():
            return TransientError(f"silent for {timeouts.read:g} s")
        case requests.exceptions.SSLError():
            return DownloadError(f"the TLS certificate was refused: {_innermost(error)}")
        case requests.ConnectionError() if _was_never_made(error):
            return DownloadError(f"no connection: {_innermost(error)}")
        case requests.exceptions.ProxyError():
            return DownloadError(f"the proxy did not connect: {_innermost(error)}")
        case ValueError():
            return DownloadError(redact_credentials(str(error)))
        case OSError() if type(error) is OSError:
            return DownloadError(redact_credentials(str(error)))
        case _:
            return TransientError(f"the connection broke: {_innermost(error)}")


def _was_never_made(error: requests.ConnectionError) -> bool:
    """Whether the connection failed, rather than broke."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", cause), urllib3.exceptions.NewConnectionError)


def _innermost(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None and cause is not error:
        error = cause
    return redact_credentials(str(error))


def redact_credentials(url: str) -> str:
    """A text without the users and passwords that addresses in it may hold."""
    return shown(re.sub(r"//\S*@", "//", url))
