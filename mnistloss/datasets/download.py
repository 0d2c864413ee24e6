"""A list of addresses -> one verified file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import requests

from mnistloss import __version__
from mnistloss.datasets.catalog import File
from mnistloss.datasets.content import Inflater, verify
from mnistloss.errors import DownloadError, IntegrityError, UnavailableError

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and how many are expected (None: not known)."""

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
_CHUNK = 1 << 16


def download(file: File, mirrors: Iterable[str], progress: Progress | None = None) -> bytes:
    """The content of `file` from the first mirror that delivers it, verified.

    Raises UnavailableError, with the reason of each mirror, where none does.
    """
    reasons = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            return _download_one(url, file, progress)
        except DownloadError as error:
            reasons.append(f"  {url}\n    {error}")
    raise UnavailableError(f"{file.name} could not be downloaded:\n" + "\n".join(reasons))


def _download_one(url: str, file: File, progress: Progress | None) -> bytes:
    """The verified content behind one address, or DownloadError with the reason."""
    headers = {"User-Agent": f"mnistloss/{__version__}", "Accept-Encoding": "identity"}
    try:
        with requests.Session() as session:
            session.headers.update(headers)
            with session.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
                if response.status_code != requests.codes.ok:
                    raise DownloadError(f"answered {response.status_code} {response.reason}")
                content = _body(response, file, progress)
        verify(content, file)
    except IntegrityError as error:
        raise DownloadError(f"delivered something else: {error}") from error
    except requests.RequestException as error:
        raise DownloadError(_reason(error)) from error
    return content


def _body(response: requests.Response, file: File, progress: Progress | None) -> bytes:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    inflater, received = Inflater(file.size), 0
    for chunk in response.iter_content(_CHUNK):
        received += len(chunk)
        inflater.feed(chunk)
        if progress is not None:
            progress(file.name, received, total)
    return inflater.finish()


def _reason(error: requests.RequestException) -> str:
    """One line of what went wrong, without the nesting of the libraries below."""
    match error:
        case requests.exceptions.ConnectTimeout():
            return f"no connection within {CONNECT_TIMEOUT:g} s"
        case requests.exceptions.Timeout():
            return f"silent for {READ_TIMEOUT:g} s"
        case requests.exceptions.SSLError():
            return f"the TLS certificate was refused: {_innermost(error)}"
        case requests.exceptions.ConnectionError():
            return f"no connection: {_innermost(error)}"
        case _:
            return str(error)


def _innermost(error: BaseException) -> str:
    while True:
        cause = error.__cause__ or error.__context__
        if cause is None or cause is error:
            return str(error)
        error = cause
