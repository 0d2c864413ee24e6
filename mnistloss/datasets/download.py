"""Download a file from the first of several mirrors that delivers it, verified, in bounded time and memory.

A request is sent again after failures that may pass: silence, a broken connection, too few bytes, and the statuses
408, 429 and 5xx. After any other failure, such as 404, an unknown host or wrong content, the next mirror is asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
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
from mnistloss.datasets.settings import CACHE_DEFAULTS, MIN_BYTES, CacheOptions, Timeouts
from mnistloss.datasets.verify import TruncatedError, inflate, max_file_size, verify
from mnistloss.errors import ArgumentError, DownloadError, IntegrityError, UnavailableError
from mnistloss.formatting import counted, shown
from mnistloss.version import __version__

_CHUNK = 1 << 16
_MAX_REDIRECTS = 5
_ANSWER_TIMEOUTS = 3
"""The headers of an answer may take this many timeouts, because a host may have several addresses to connect to."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class TransientError(DownloadError):
    """A failure that may pass; `wait` is the server's Retry-After in seconds, if it sent one."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def check_mirror(url: str, *, insecure_http: bool = False) -> str:
    """Return the address of a mirror if it is https, or http to this machine or where `insecure_http` allows it.

    Any other address raises ArgumentError. The digest of the content is verified for all addresses.
    """
    address = redact_credentials(url)
    try:
        parts = urlsplit(url)
        if odd := re.search(r"[^!-~]|[\\\\\"<>^`{|}]", url):  # which libraries read in different ways
            raise ValueError(f"it contains {odd[0]!r}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected https://HOST/FOLDER/")
    except ValueError as error:
        raise ArgumentError(f"{address} is not the address of a mirror: {error}") from None
    if parts.scheme == "http" and not insecure_http and parts.hostname not in _LOOPBACK:
        raise ArgumentError(f"{address} is plain http; expected https (or add --insecure-http)")
    return url


def download(file: File, mirrors: Iterable[str], cache_options: CacheOptions = CACHE_DEFAULTS) -> bytes:
    """Return the verified content of `file` from the first mirror that delivers it.

    Takes no more bytes than the published size allows, and no longer than `cache_options.timeouts.deadline` seconds.
    Raises UnavailableError, with the reason for each mirror, if none delivers.
    """
    deadline = time.monotonic() + cache_options.timeouts.deadline
    reasons, insecure_http = [], cache_options.insecure_http
    urls = [check_mirror(f"{mirror.rstrip('/')}/{file.archive}", insecure_http=insecure_http) for mirror in mirrors]
    for url in urls:
        try:
            return _try_mirror(_Request(url, file, cache_options, deadline))
        except DownloadError as error:
            reasons.append(f"  {redact_credentials(url)}\n    {error}")
    raise UnavailableError(f"{file.name} could not be downloaded:\n" + "\n".join(reasons))


def _try_mirror(request: _Request) -> bytes:
    """Send a request to one mirror, again after failures that may pass."""
    timeouts = request.cache_options.timeouts
    attempt = 0
    while True:
        attempt += 1
        try:
            return request.run_before_deadline()
        except TransientError as error:
            wait = max(timeouts.backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.5), error.wait or 0)
            if attempt >= timeouts.attempts or wait > min(timeouts.retry_after, request.seconds_left()):
                raise DownloadError(f"{error} ({counted(attempt, 'attempt', 'attempts')})") from error
            time.sleep(wait)


@dataclass
class _Request:
    """A request for one file from one mirror; it may be sent several times.

    answered_at: when the attempt began, or the last redirect came; infinite once the final answer has come.
    """

    url: str
    file: File
    cache_options: CacheOptions
    deadline: float
    answered_at: float = 0.0

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def run_before_deadline(self) -> bytes:
        """Run in a thread, and raise DownloadError at the deadline and where no answer is complete in time."""
        outcome: queue.Queue[bytes | BaseException] = queue.Queue()
        self.answered_at, timeout = time.monotonic(), self.cache_options.timeouts.timeout

        def work() -> None:
            try:
                outcome.put(self.run())
            except BaseException as error:
                outcome.put(error)

        threading.Thread(target=work, daemon=True).start()
        while True:
            with contextlib.suppress(queue.Empty):
                result = outcome.get(timeout=min(self.seconds_left(), timeout))
                if isinstance(result, BaseException):
                    raise result
                return result
            if not self.seconds_left():
                raise self._too_slow()
            if time.monotonic() - self.answered_at > _ANSWER_TIMEOUTS * timeout:
                raise DownloadError(f"too slow: no complete answer within {_ANSWER_TIMEOUTS * timeout:g} s")

    def run(self) -> bytes:
        """Return the verified content, or raise DownloadError with the reason."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.headers.update({"User-Agent": f"mnistloss/{__version__}", "Accept-Encoding": "identity"})
                with self._follow_redirects(session) as response:
                    answer = shown(f"answered {response.status_code} {response.reason}".strip())
                    if response.status_code in (408, 429) or response.status_code >= 500:
                        wait = response.headers.get("Retry-After", "")
                        raise TransientError(answer, float(wait) if wait.isdecimal() else None)
                    if response.status_code != requests.codes.ok:
                        raise DownloadError(answer)
                    return self._read_body(response)
        except TruncatedError as error:
            raise TransientError(f"delivered too little: {error}") from error
        except IntegrityError as error:
            raise DownloadError(f"delivered the wrong content: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _download_error(error, self.cache_options.timeouts) from error

    def _follow_redirects(self, session: requests.Session) -> requests.Response:
        """Return the final response; each redirect must be to an allowed mirror, and never from https to http."""
        url, timeouts = self.url, self.cache_options.timeouts
        for _ in range(_MAX_REDIRECTS + 1):
            response = session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=timeouts.timeout,
                proxies=requests.utils.get_environ_proxies(url, no_proxy=None),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            )
            self.answered_at = math.inf if not response.is_redirect else time.monotonic()
            if not response.is_redirect:
                return response
            response.close()
            previous, url = url, urljoin(url, response.headers["Location"])
            try:
                check_mirror(url, insecure_http=self.cache_options.insecure_http)
            except ArgumentError as error:
                raise DownloadError(f"redirects to an address that is not allowed: {error}") from error
            if urlsplit(previous).scheme == "https" and urlsplit(url).scheme != "https":
                raise DownloadError(f"redirects from https to {redact_credentials(url)}, which is not allowed")
        raise DownloadError(f"redirects more than {_MAX_REDIRECTS} times")

    def _read_body(self, response: requests.Response) -> bytes:
        """Return the verified content, from the bytes as sent: compression is recognised without Content-Encoding."""
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        chunks, received, timeout = [], 0, self.cache_options.timeouts.timeout
        window_end, window_received = time.monotonic() + timeout, 0
        read = getattr(response.raw, "read1", response.raw.read)
        while received <= max_file_size(self.file.size) and (chunk := read(_CHUNK, decode_content=False)):
            chunks.append(chunk)
            received += len(chunk)
            if self.cache_options.progress is not None:
                self.cache_options.progress(self.file.name, received, total)
            if not self.seconds_left():
                raise self._too_slow()
            if time.monotonic() > window_end:
                if received - window_received < MIN_BYTES * timeout:
                    raise DownloadError(f"too slow: less than {MIN_BYTES:,} bytes/s over {timeout:g} s")
                window_end, window_received = time.monotonic() + timeout, received
        body = b"".join(chunks)
        content = inflate(body, self.file.size)
        published = self.file.archive_sha256
        verify(content, self.file, published or self.file.sha256, published and hashlib.sha256(body).hexdigest())
        return content

    def _too_slow(self) -> DownloadError:
        return DownloadError(f"too slow: the file was not complete after {self.cache_options.timeouts.deadline:g} s")


def _download_error(error: Any, timeouts: Timeouts) -> DownloadError:
    """Say in one line what went wrong, without the nested messages of the libraries."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None and inner is not cause:
        cause = inner
    reason = redact_credentials(str(cause))
    outer = error.args[0] if error.args else None
    never_connected = isinstance(getattr(outer, "reason", outer), urllib3.exceptions.NewConnectionError)
    match error:
        case requests.ConnectTimeout():
            return TransientError(f"no connection within {timeouts.timeout:g} s")
        case requests.Timeout() | urllib3.exceptions.ReadTimeoutError():
            return TransientError(f"silent for {timeouts.timeout:g} s")
        case requests.exceptions.SSLError():
            return DownloadError(f"the TLS certificate was refused: {reason}")
        case requests.ConnectionError() if never_connected:
            return DownloadError(f"no connection: {reason}")
        case requests.exceptions.ProxyError():
            return DownloadError(f"the proxy did not connect: {reason}")
        case _ if isinstance(error, ValueError) or type(error) is OSError:
            return DownloadError(redact_credentials(str(error)))
        case _:
            return TransientError(f"the connection broke: {reason}")


def redact_credentials(text: str) -> str:
    """Return a text without the user names, passwords and queries in its addresses."""
    text = re.sub(r"(\bhttps?:/*)?\S*@", lambda match: match[1] or "", text)
    return shown(re.sub(r"\?[^\s'\")]+", "?...", text))
