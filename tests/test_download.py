"""Downloads from servers with faults: each gives its reason, in bounded time and memory."""

import contextlib
import gzip
import random
import re
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from conftest import Cli
from mirror import Answer, Mirror, Request, send
from small_datasets import BODY, CONTENT, IMAGES, LABELS, LABELS_CONTENT, PATH, SHORT_TIMEOUTS, SMALL, put_up

from mnistloss.datasets import cache
from mnistloss.datasets.download import check_mirror, download
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions, Timeouts
from mnistloss.datasets.verify import TruncatedError, inflate, verify
from mnistloss.errors import ArgumentError, IntegrityError, UnavailableError

pytestmark = pytest.mark.usefixtures("small_datasets")


def download_images(mirror: Mirror, timeouts: Timeouts = SHORT_TIMEOUTS) -> bytes:
    return download(IMAGES, [mirror.url], CacheOptions(timeouts=timeouts))


def failure(*mirrors: str, timeouts: Timeouts = SHORT_TIMEOUTS) -> str:
    """The message of a download that fails."""
    with pytest.raises(UnavailableError) as caught:
        download(IMAGES, mirrors, CacheOptions(timeouts=timeouts))
    return str(caught.value)


def half_with_length(request: Request) -> None:
    send(request, BODY[: len(BODY) // 2], Content_Length=len(BODY))


def half_without_length(request: Request) -> None:
    send(request, BODY[: len(BODY) // 2])


def length_too_small(request: Request) -> None:
    send(request, BODY, Content_Length=1000)


def raw_half(request: Request) -> None:
    send(request, CONTENT[:-5])


def reset_half_way(request: Request) -> None:
    send(request, BODY[:1000], Content_Length=len(BODY))
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    request.connection.close()


def silence(request: Request) -> None:
    send(request, b"", Content_Length=len(BODY))
    time.sleep(1.5)


def drip(request: Request) -> None:
    send(request, b"", Content_Length=len(BODY))
    with contextlib.suppress(OSError):
        for byte in BODY[:60]:
            request.wfile.write(bytes([byte]))
            time.sleep(0.3)


def drip_of_headers(request: Request) -> None:
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 40:
            request.wfile.write(bytes([byte]))
            time.sleep(0.3)


def endless(request: Request) -> None:
    send(request, b"\0\0\x08\x03")
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(bytes(1 << 16))


def endless_empty_members(request: Request) -> None:
    send(request, b"")
    member = gzip.compress(b"") * 1000
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(member)


def redirect_loop(request: Request) -> None:
    send(request, b"", 302, Location=PATH)


def redirect_to_file(request: Request) -> None:
    send(request, b"", 302, Location="file:///etc/passwd")


def redirect_to_http(request: Request) -> None:
    send(request, b"", 302, Location="http://example.org/x.gz")


FAULTS: dict[str, tuple[Answer, str, int]] = {
    "short body, Content-Length": (half_with_length, "the connection broke|delivered too little", 2),
    "short body, no Content-Length": (half_without_length, "delivered too little: the gzip data ends early", 2),
    "short raw body": (raw_half, "delivered too little: found 784,011 bytes, expected 784,016", 2),
    "Content-Length too small": (length_too_small, "delivered too little", 2),
    "reset half-way": (reset_half_way, "the connection broke|delivered too little", 2),
    "silence after the headers": (silence, "silent for 0.5 s", 2),
    "drip of bytes": (drip, "too slow: less than 1,000 bytes/s over 0.5 s", 1),
    "drip of headers": (drip_of_headers, "too slow: no complete answer within 1.5 s", 1),
    "endless body": (endless, "the file is longer than 784,016 bytes of content can make it", 1),
    "endless gzip members": (endless_empty_members, "the file is longer than 784,016 bytes of content can make it", 1),
    "long body": (CONTENT + b"x", "the content is longer than the 784,016 bytes expected", 1),
    "gzip bomb": (gzip.compress(bytes(100_000_000)) * 3, "the content is longer than the 784,016 bytes expected", 1),
    "many gzip members": (gzip.compress(b"") * 5000 + BODY, "more than 5,000 gzip members", 1),
    "204": (204, "answered 204 No Content", 1),
    "206": (206, "answered 206 Partial Content", 1),
    "HTML": (b"<!doctype html><title>Sign in</title>", r"found a web page \(HTML\)", 1),
    "long HTML": (b"<html>" + b"x" * 900_000, "longer than|found a web page", 1),
    "wrong digest": (gzip.compress(CONTENT[:-1] + b"\x07"), "found SHA-256", 1),
    "trailing garbage": (BODY + b"garbage", "bytes after the end of the gzip data", 1),
    "one byte of trailing garbage": (BODY + b"\0", "bytes after the end of the gzip data", 1),
    "broken gzip": (BODY[:5000] + b"xxxxxxxx" + BODY[5008:], "gzip data is broken|found SHA-256|too little", 1),
    "redirect loop": (redirect_loop, "redirects more than 5 times", 6),
    "redirect to a file": (redirect_to_file, "redirects to an address that is not allowed: .*file:///etc/passwd", 1),
    "redirect to plain http": (redirect_to_http, "redirects to an address that is not allowed: .* is plain http", 1),
}


@pytest.mark.parametrize(("fault", "reason", "requests"), FAULTS.values(), ids=FAULTS)
def test_fault(mirror: Mirror, fault: Answer, reason: str, requests: int) -> None:
    """Each fault gives its reason, before the deadline and in bounded memory; those that may pass are tried again."""
    mirror.answers[PATH] = fault
    tracemalloc.start()
    start = time.monotonic()
    message = failure(mirror.url)
    assert time.monotonic() - start < SHORT_TIMEOUTS.deadline + 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert re.search(reason, message), message
    assert len(mirror.requests) == requests


def test_a_dripping_mirror_is_left_for_the_next(mirror: Mirror) -> None:
    """A mirror that never falls silent is left after the timeout, long before the deadline."""
    mirror.answers[f"/slow{PATH}"] = drip
    mirror.answers[PATH] = BODY
    began = time.monotonic()
    timeouts = Timeouts(timeout=1, deadline=60)
    assert download(IMAGES, [f"{mirror.url}/slow", mirror.url], CacheOptions(timeouts=timeouts)) == CONTENT
    assert time.monotonic() - began < 5


def test_a_deadline_holds_while_bytes_come(mirror: Mirror) -> None:
    """A mirror that is fast enough is left at the deadline all the same."""

    def steady(request: Request) -> None:
        send(request, b"", Content_Length=len(BODY))
        with contextlib.suppress(OSError):
            for start in range(0, len(BODY), 2000):
                request.wfile.write(BODY[start : start + 2000])
                time.sleep(0.1)

    mirror.answers[PATH] = steady
    message = failure(mirror.url, timeouts=Timeouts(timeout=0.5, deadline=1.2, attempts=1))
    assert "too slow: the file was not complete after 1.2 s" in message


@pytest.mark.parametrize("status", range(400, 600))
def test_statuses(mirror: Mirror, status: int) -> None:
    """408, 429 and 5xx are tried again, no other status is; the next mirror is asked in any case."""
    mirror.answers[f"/bad{PATH}"] = status
    mirror.answers[PATH] = BODY
    patient = CacheOptions(timeouts=Timeouts(attempts=2, backoff=0.01))
    assert download(IMAGES, [f"{mirror.url}/bad", mirror.url], patient) == CONTENT
    again = status in (408, 429) or status >= 500
    assert mirror.requests == [f"/bad{PATH}"] * (2 if again else 1) + [PATH]


def test_transient_failures_are_tried_again(mirror: Mirror) -> None:
    """A mirror that delivers after two failures is enough."""
    answers: Iterator[Any] = iter([503, half_without_length, BODY])

    def in_turn(request: Request) -> None:
        answer = next(answers)
        if callable(answer):
            answer(request)
        else:
            send(request, b"" if isinstance(answer, int) else answer, answer if isinstance(answer, int) else 200)

    mirror.answers[PATH] = in_turn
    assert download_images(mirror, Timeouts(attempts=3, backoff=0.01)) == CONTENT
    assert len(mirror.requests) == 3


@pytest.mark.parametrize(("wait", "requests"), [("0", 2), ("86400", 1), ("Wed, 21 Oct 2065 07:28:00 GMT", 2)])
def test_retry_after(mirror: Mirror, wait: str, requests: int) -> None:
    """A short Retry-After is waited for; after a long one the next mirror is asked; a date is ignored."""
    mirror.answers[PATH] = lambda request: send(request, b"", 503, Retry_After=wait)
    start = time.monotonic()
    assert "answered 503" in failure(mirror.url)
    assert time.monotonic() - start < 2
    assert len(mirror.requests) == requests


def test_jitter(monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> None:
    """The waits between attempts double, with random jitter so that many clients do not ask at the same time."""
    waits: list[float] = []
    clock = SimpleNamespace(**{**vars(time), "sleep": waits.append})  # for the downloader only, not for other threads
    monkeypatch.setattr("mnistloss.datasets.download.time", clock)
    random.seed(1)
    mirror.answers[PATH] = 503
    failure(mirror.url, timeouts=Timeouts(attempts=4, backoff=1.0))
    assert [0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3
    assert len({wait / 2**n for n, wait in enumerate(waits)}) == 3


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(CONTENT, 1), {}),
        (CONTENT, {}),
        (gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]), {}),
        (BODY, {"Content_Encoding": "gzip"}),
        (gzip.compress(BODY), {"Content_Encoding": "gzip"}),
        (CONTENT, {"Content_Encoding": "identity"}),
    ],
    ids=["recompressed", "raw", "members", "labelled gzip", "gzipped twice", "identity"],
)
@pytest.mark.parametrize("length", [True, False])
def test_other_compressions(mirror: Mirror, body: bytes, headers: dict[str, str], length: bool) -> None:
    """The right content is accepted in any compression, whatever the headers say."""
    all_headers: dict[str, Any] = {**headers, **({"Content_Length": len(body)} if length else {})}
    mirror.answers[PATH] = lambda request: send(request, body, **all_headers)
    assert download_images(mirror) == CONTENT


def test_chunked(mirror: Mirror) -> None:
    """A chunked body is read; an incomplete one is an error."""

    def chunked(request: Request, *, whole: bool = True) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for start in range(0, len(BODY), 30_000):
            piece = BODY[start : start + 30_000]
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not whole:
                request.close_connection = True
                return
        request.wfile.write(b"0\r\n\r\n")

    mirror.answers[PATH] = chunked
    assert download_images(mirror) == CONTENT
    mirror.answers[PATH] = lambda request: chunked(request, whole=False)
    assert "the connection broke" in failure(mirror.url) or "delivered too little" in failure(mirror.url)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (404, "answered 404 Not Found"),
        (503, "answered 503 Service Unavailable"),
        (b"<html>sorry</html>", r"found a web page \(HTML\)"),
        (b"<html>", r"found a web page \(HTML\)"),
        (gzip.compress(LABELS_CONTENT[:-1]), "found 11 bytes, expected 12"),
        (gzip.compress(LABELS_CONTENT[:-1] + b"\7"), "found SHA-256 .*, expected"),
        (gzip.compress(LABELS_CONTENT)[:-9], "the gzip data ends early"),
        (gzip.compress(LABELS_CONTENT) + b"more", "bytes after the end of the gzip data"),
        (gzip.compress(bytes(100_000)), "longer than the 12 bytes expected"),
        (b"", "found 0 bytes"),
    ],
)
def test_bad_mirror(mirror: Mirror, answer: bytes | int, reason: str) -> None:
    """A mirror that does not deliver the published content is named with the reason and advice; nothing is cached."""
    mirror.answers["/train-labels.gz"] = answer
    with pytest.raises(UnavailableError, match=f"(?s){mirror.url}/train-labels.gz.*{reason}.*--from PATH.*mnist-5k"):
        cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url], timeouts=SHORT_TIMEOUTS))
    assert not list(cache.folder().rglob("*labels*"))


def test_next_mirror_is_tried(mirror: Mirror) -> None:
    """Mirrors are tried in turn until one delivers."""
    put_up(mirror)
    mirrors = [f"{mirror.url}/gone/", "http://127.0.0.1:9/", mirror.url]
    assert cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=mirrors)).content == LABELS_CONTENT


def test_no_network_at_all() -> None:
    """If no mirror can be reached, each is named with the reason."""
    with pytest.raises(UnavailableError, match=r"(?s)ossci.*no connection.*cvdf.*no connection.*fgnt.*no connection"):
        load_split("mnist", "test")


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror with TLS, whose certificate authority is trusted through REQUESTS_CA_BUNDLE."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Mirror(context) as server:
        yield server


def test_tls(tls: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not trusted is refused."""
    tls.answers[PATH] = BODY
    assert download_images(tls) == CONTENT
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "the TLS certificate was refused" in failure(tls.url)


def test_redirects(tls: Mirror, mirror: Mirror) -> None:
    """A redirect from https to https is followed; one to http is not, not even to this machine."""
    mirror.answers[PATH] = BODY
    tls.answers["/there"] = BODY
    tls.answers[PATH] = lambda request: send(request, b"", 301, Location="/there")
    assert download_images(tls) == CONTENT
    tls.answers[PATH] = lambda request: send(request, b"", 301, Location=f"{mirror.url}{PATH}")
    assert "redirects from https to http://127.0.0.1" in failure(tls.url)
    assert mirror.requests == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/mnist/", "http://example.org/mnist/ is plain http; expected https"),
        ("http://user:secret@example.org/", "http://example.org/ is plain http"),
        ("ftp://example.org/", "is not the address of a mirror"),
        ("file:///etc", "is not the address of a mirror"),
        ("mnist", "is not the address of a mirror"),
        ("https://", "is not the address of a mirror"),
        ("http://127.0.0.1.example.org/", "is plain http"),
        ("http://127.0.0.2:80\\@127.0.0.1/", "it contains '.*'"),
        ("https://example.org/a b", "it contains ' '"),
        ("https://example.org\t/", "it contains '.t'"),
        ("https:/user:secret@example.org", "https:/example.org is not the address of a mirror"),
        ("user:secret@example.org/mnist", "^example.org/mnist is not the address of a mirror"),
        ("http://example.org/?token=secret", r"http://example.org/\?\.\.\. is plain http"),
    ],
)
def test_addresses(url: str, message: str, cli: Cli) -> None:
    """Other addresses than https, or http to this machine, are usage errors that show no password."""
    with pytest.raises(ArgumentError, match=message):
        check_mirror(url)
    result = cli("fetch", "--mirror", url)
    assert (result.exit_code, "secret" in result.stderr) == (2, False)


def test_allowed_addresses() -> None:
    """https is allowed anywhere, http to this machine, and plain http elsewhere with insecure_http."""
    for url in ("https://example.org/a/", "http://127.0.0.1:1/", "http://localhost/", "http://[::1]:8/"):
        assert check_mirror(url) == url
    assert check_mirror("http://example.org/", insecure_http=True) == "http://example.org/"


def test_netrc_is_not_sent(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in ~/.netrc are not sent; those in the address are sent, and never shown."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    credentials: list[str | None] = []

    def record(request: Request) -> None:
        credentials.append(request.headers.get("Authorization"))
        send(request, b"", 403)

    mirror.answers[PATH] = record
    failure(mirror.url)
    with pytest.raises(UnavailableError) as caught:
        download(IMAGES, [mirror.url.replace("//", "//u:pw@")])
    assert credentials == [None, "Basic dTpwdw=="]
    assert "pw" not in str(caught.value)


def test_the_file_is_asked_for_as_it_is(mirror: Mirror) -> None:
    """No compression on the way is asked for, so that its length is that of the published file."""
    asked: list[str | None] = []

    def record(request: Request) -> None:
        asked.append(request.headers.get("Accept-Encoding"))
        send(request, BODY)

    mirror.answers[PATH] = record
    assert download(IMAGES, [mirror.url]) == CONTENT
    assert asked == ["identity"]


def test_secrets_stay_out_of_messages(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """User names and passwords of mirrors and proxies are not printed, not even in messages of libraries."""
    for url in ("https://user:secret@127.0.0.1:99999/", "https://user:sec/secret@127.0.0.1/", "http://u:secret[@::1/"):
        assert "secret" not in cli("fetch", "--mirror", url, "--deadline", 5).stderr
    monkeypatch.setenv("https_proxy", "http://u:secret@127.0.0.1:99999")
    assert "secret" not in cli("fetch", "--mirror", "https://127.0.0.1:9/").stderr


def test_local_mistakes_are_not_tried_again(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing certificate file is not tried again; a bad address is refused before any mirror is asked."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert "attempt" not in failure("https://127.0.0.1:9/")
    with pytest.raises(ArgumentError, match="ftp"):
        download(IMAGES, [mirror.url, "ftp://x/"])
    assert mirror.requests == []


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e11"])
def test_deadline_out_of_range(seconds: str, cli: Cli) -> None:
    """Infinite, undefined and huge deadlines are usage errors."""
    assert cli("fetch", "--deadline", seconds).exit_code == 2


def test_proxy(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy in http_proxy is used."""
    monkeypatch.setenv("http_proxy", mirror.url)
    mirror.answers[f"http://example.org{PATH}"] = BODY
    options = CacheOptions(timeouts=SHORT_TIMEOUTS, insecure_http=True)
    assert download(IMAGES, ["http://example.org"], options) == CONTENT


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_offline_opens_no_socket(way: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, preds: Path) -> None:
    """Offline, no command opens a socket; embedded data works."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    options = ("--offline",) if way == "argument" else ()
    if way == "variable":
        monkeypatch.setenv("MNISTLOSS_OFFLINE", "1")
    for arguments in (
        ("fetch",),
        ("fetch", "--force"),
        ("sample",),
        ("eval", preds, "--split", "test", "--indices", preds),
    ):
        result = cli(*arguments, *options)
        assert result.exit_code == 1
        assert "--offline" in result.stderr or arguments[0] == "eval"
    assert cli("eval", preds, "--dataset", "mnist-5k", *options).exit_code == 0
    assert cli("sample", "--dataset", "mnist-5k", *options).exit_code == 0


def test_without_offline_a_socket_is_opened(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: the same command without --offline looks up a host."""
    lookups: list[object] = []

    def resolve(*arguments: object, **_: object) -> None:
        lookups.append(arguments)
        raise socket.gaierror("not in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert cli("fetch").exit_code == 1
    assert lookups


def test_inflate_is_bounded() -> None:
    """Content longer than the limit is refused, whether the file is plain or gzipped once or twice."""
    for content in (bytes(1000), gzip.compress(bytes(1000)), gzip.compress(gzip.compress(bytes(1000)))):
        assert inflate(content, 1000) == bytes(1000)
    for content in (bytes(1001), gzip.compress(bytes(10**7)), gzip.compress(gzip.compress(bytes(1001)))):
        with pytest.raises(IntegrityError, match="longer than the 1,000 bytes expected"):
            inflate(content, 1000)
    with pytest.raises(IntegrityError, match="longer than 1,000 bytes of content can make it"):
        inflate(bytes(10**5), 1000)
    twice = gzip.compress(gzip.compress(b"content"))
    assert inflate(gzip.compress(twice), 1000) == gzip.compress(b"content")


def test_inflate_takes_linear_time() -> None:
    """Thousands of gzip members before a large one take no more than a moment."""
    data = gzip.compress(b"") * 4999 + gzip.compress(bytes(20_000_000), 0)
    start = time.monotonic()
    assert len(inflate(data, 20_000_000)) == 20_000_000
    assert time.monotonic() - start < 3


def test_inflate_takes_gzip_members() -> None:
    """Content in up to 5,000 gzip members is joined; more members, broken, truncated and trailing bytes are refused."""
    members = gzip.compress(bytes(500)) + gzip.compress(b"") * 4997 + gzip.compress(bytes(500))
    assert inflate(members + gzip.compress(b""), 10**6) == bytes(1000)
    with pytest.raises(IntegrityError, match="more than 5,000 gzip members"):
        inflate(members + gzip.compress(b"") * 2, 10**6)
    with pytest.raises(IntegrityError, match="the gzip data is broken"):
        inflate(b"\x1f\x8b" + b"x" * 40, 1000)
    for end in range(2, len(body := gzip.compress(b"content"))):
        with pytest.raises(TruncatedError, match="the gzip data ends early"):
            inflate(body[:end], 1000)
        with pytest.raises(IntegrityError, match="bytes after the end of the gzip data"):
            inflate(body + body[1:end], 1000)


def test_verify() -> None:
    """A changed byte is refused."""
    verify(LABELS_CONTENT, LABELS, LABELS.sha256)
    with pytest.raises(IntegrityError, match="found SHA-256"):
        verify(LABELS_CONTENT[:-1] + b"\7", LABELS, LABELS.sha256)
