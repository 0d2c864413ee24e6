"""The data layer under fire: each fault is injected for real, on real sockets, files and processes."""

import contextlib
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trustme
from conftest import Cli
from mirror import Mirror

from mnistloss import load_mnist
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.cache import State
from mnistloss.datasets.download import check_mirror, download
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions, Timeouts
from mnistloss.errors import ArgumentError, OutputError, UnavailableError

IMAGES = catalog.MNIST_5K.files["test"]["images"]
CONTENT = gzip.decompress((cache.embedded_folder(catalog.MNIST_5K) / IMAGES.archive).read_bytes())
BODY = gzip.compress(CONTENT)
PATH = f"/{IMAGES.archive}"
HASTY = Timeouts(connect=2, read=0.5, total=3, attempts=2, backoff=0.01)
DISTANT = catalog.Dataset(
    "distant", "the test split of mnist-5k, to be downloaded", catalog.MNIST_5K.files, tuple("0123456789"),
    ("http://127.0.0.1:9/",), "none", "none",
)  # fmt: skip

Handler = BaseHTTPRequestHandler


def get(mirror: Mirror, timeouts: Timeouts = HASTY) -> bytes:
    return download(IMAGES, [mirror.url], CacheOptions(timeouts=timeouts))


def refused(mirror: Mirror, timeouts: Timeouts = HASTY) -> str:
    with pytest.raises(UnavailableError) as caught:
        get(mirror, timeouts)
    return str(caught.value)


def send(request: Handler, body: bytes, status: int = 200, **headers: object) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    with contextlib.suppress(OSError):
        request.wfile.write(body)


def half_with_length(request: Handler) -> None:
    send(request, BODY[: len(BODY) // 2], Content_Length=len(BODY))


def half_without_length(request: Handler) -> None:
    send(request, BODY[: len(BODY) // 2])


def length_too_small(request: Handler) -> None:
    send(request, BODY, Content_Length=1000)


def raw_half(request: Handler) -> None:
    send(request, CONTENT[:-5])


def reset_half_way(request: Handler) -> None:
    send(request, BODY[:1000], Content_Length=len(BODY))
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    request.connection.close()


def silence(request: Handler) -> None:
    send(request, b"", Content_Length=len(BODY))
    time.sleep(1.5)


def drip(request: Handler) -> None:
    send(request, b"", Content_Length=len(BODY))
    with contextlib.suppress(OSError):
        for byte in BODY[:60]:
            request.wfile.write(bytes([byte]))
            time.sleep(0.3)


def drip_of_headers(request: Handler) -> None:
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 40:
            request.wfile.write(bytes([byte]))
            time.sleep(0.3)


def endless(request: Handler) -> None:
    send(request, b"\0\0\x08\x03")
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(bytes(1 << 16))


def endless_empty_members(request: Handler) -> None:
    send(request, b"")
    member = gzip.compress(b"") * 1000
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(member)


def redirect_loop(request: Handler) -> None:
    send(request, b"", 302, Location=PATH)


def redirect_to_file(request: Handler) -> None:
    send(request, b"", 302, Location="file:///etc/passwd")


def redirect_to_http(request: Handler) -> None:
    send(request, b"", 302, Location="http://example.org/x.gz")


FAULTS: dict[str, tuple[Callable[[Handler], None] | bytes | int, str, int]] = {
    "short body, Content-Length": (half_with_length, "the connection broke|delivered too little", 2),
    "short body, no Content-Length": (half_without_length, "delivered too little: the gzip data ends early", 2),
    "short raw body": (raw_half, "delivered too little: found 784,011 bytes, expected 784,016", 2),
    "Content-Length too small": (length_too_small, "delivered too little", 2),
    "reset half-way": (reset_half_way, "the connection broke|delivered too little", 2),
    "silence after the headers": (silence, "silent for 0.5 s", 2),
    "drip of bytes": (drip, "too slow: the file was not complete after 3 s", 1),
    "drip of headers": (drip_of_headers, "too slow: the file was not complete after 3 s", 1),
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
def test_fault(mirror: Mirror, fault: Callable[[Handler], None] | bytes | int, reason: str, requests: int) -> None:
    """Each fault ends in its reason, within the deadline, in bounded memory; what may pass is tried again."""
    mirror.answers[PATH] = fault
    tracemalloc.start()
    started = time.monotonic()
    message = refused(mirror)
    assert time.monotonic() - started < HASTY.total + 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert re.search(reason, message), message
    assert len(mirror.requests) == requests


@pytest.mark.parametrize("status", range(400, 600))
def test_statuses(mirror: Mirror, status: int) -> None:
    """408, 429 and 5xx are asked again, every other status is not; the next mirror is asked in any case."""
    mirror.answers[f"/bad{PATH}"] = status
    mirror.answers[PATH] = BODY
    assert download(IMAGES, [f"{mirror.url}/bad", mirror.url], CacheOptions(timeouts=HASTY)) == CONTENT
    again = status in (408, 429) or status >= 500
    assert mirror.requests == [f"/bad{PATH}"] * (2 if again else 1) + [PATH]


def test_what_passes_is_waited_for(mirror: Mirror) -> None:
    """A mirror that fails once and then delivers is enough."""
    answers: Iterator[Any] = iter([503, half_without_length, BODY])

    def in_turn(request: Handler) -> None:
        answer = next(answers)
        if callable(answer):
            answer(request)
        else:
            send(request, b"" if isinstance(answer, int) else answer, answer if isinstance(answer, int) else 200)

    mirror.answers[PATH] = in_turn
    assert get(mirror, Timeouts(attempts=3, backoff=0.01)) == CONTENT
    assert len(mirror.requests) == 3


@pytest.mark.parametrize(("wait", "requests"), [("0", 2), ("86400", 1), ("Wed, 21 Oct 2065 07:28:00 GMT", 2)])
def test_retry_after(mirror: Mirror, wait: str, requests: int) -> None:
    """A short Retry-After is heeded, a long one means the next mirror; a date is not waited for."""
    mirror.answers[PATH] = lambda request: send(request, b"", 503, Retry_After=wait)
    started = time.monotonic()
    assert "answered 503" in refused(mirror)
    assert time.monotonic() - started < 2
    assert len(mirror.requests) == requests


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
def test_right_content_in_other_clothes(mirror: Mirror, body: bytes, headers: dict[str, str], length: bool) -> None:
    """However the right content is compressed, and whatever the headers say of it, it is taken."""
    sent: dict[str, Any] = {**headers, **({"Content_Length": len(body)} if length else {})}
    mirror.answers[PATH] = lambda request: send(request, body, **sent)
    assert get(mirror) == CONTENT


def test_chunked(mirror: Mirror) -> None:
    """A chunked body is a body; cut off, it is an error."""

    def chunked(request: Handler, *, whole: bool = True) -> None:
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
    assert get(mirror) == CONTENT
    mirror.answers[PATH] = lambda request: chunked(request, whole=False)
    assert "the connection broke" in refused(mirror) or "delivered too little" in refused(mirror)


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror with TLS, whose authority is trusted through the usual variable."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Mirror(context) as server:
        yield server


def test_tls(tls: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not trusted is refused, and nothing turns that off."""
    tls.answers[PATH] = BODY
    assert get(tls) == CONTENT
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "the TLS certificate was refused" in refused(tls)


def test_redirects(tls: Mirror, mirror: Mirror) -> None:
    """A redirect is followed within TLS, and never from https to http, not even to this machine."""
    mirror.answers[PATH] = BODY
    tls.answers["/there"] = BODY
    tls.answers[PATH] = lambda request: send(request, b"", 301, Location="/there")
    assert get(tls) == CONTENT
    tls.answers[PATH] = lambda request: send(request, b"", 301, Location=f"{mirror.url}{PATH}")
    assert "redirects from https to http://127.0.0.1" in refused(tls)
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
    ],
)
def test_addresses(url: str, message: str, cli: Cli) -> None:
    """Mirrors are https, or http on this machine; plain http elsewhere only if it is asked for."""
    with pytest.raises(ArgumentError, match=message):
        check_mirror(url)
    result = cli("fetch", "--mirror", url)
    assert (result.exit_code, "secret" in result.stderr) == (2, False)


def test_addresses_that_are_asked() -> None:
    """https anywhere, http on loopback, and plain http where it is allowed."""
    for url in ("https://example.org/a/", "http://127.0.0.1:1/", "http://localhost/", "http://[::1]:8/"):
        assert check_mirror(url) == url
    assert check_mirror("http://example.org/", insecure_http=True) == "http://example.org/"


def test_netrc_is_not_sent(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of ~/.netrc stay at home; those of the address itself are sent, and never shown."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen: list[str | None] = []

    def remember(request: Handler) -> None:
        seen.append(request.headers.get("Authorization"))
        send(request, b"", 403)

    mirror.answers[PATH] = remember
    refused(mirror)
    with pytest.raises(UnavailableError) as caught:
        download(IMAGES, [mirror.url.replace("//", "//u:pw@")])
    assert seen == [None, "Basic dTpwdw=="]
    assert "pw" not in str(caught.value)


def test_proxy(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is used by the usual variable."""
    monkeypatch.setenv("http_proxy", mirror.url)
    mirror.answers[f"http://example.org{PATH}"] = BODY
    assert download(IMAGES, ["http://example.org"], CacheOptions(timeouts=HASTY, insecure_http=True)) == CONTENT


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_offline_opens_no_socket(way: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, preds: Path) -> None:
    """Offline, no socket is made, whatever is asked; what is there works."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

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


def test_without_offline_a_socket_would_be_made(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: the same command without --offline reaches for the network."""
    reached: list[object] = []

    def resolve(*arguments: object, **_: object) -> None:
        reached.append(arguments)
        raise socket.gaierror("not in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert cli("fetch").exit_code == 1
    assert reached


# The cache: processes that are killed, disks that are full, folders that others wrote to.


@pytest.fixture
def distant(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """The test split of mnist-5k as a dataset that a mirror has."""
    monkeypatch.setitem(catalog.DATASETS, "distant", DISTANT)
    for kind in catalog.KINDS:
        file = DISTANT.files["test"][kind]
        mirror.answers[f"/{file.archive}"] = (cache.embedded_folder(catalog.MNIST_5K) / file.archive).read_bytes()
    return mirror


def cache_options(mirror: Mirror, **options: object) -> CacheOptions:
    return CacheOptions(mirrors=[mirror.url], timeouts=HASTY, **options)  # type: ignore[arg-type]  # handed through


def place() -> Path:
    return cache.folder() / "distant" / IMAGES.name


def names() -> set[str]:
    return {path.name for path in place().parent.iterdir()}


def fetch_in_child(url: str, slow: bool = False) -> None:
    catalog.DATASETS["distant"] = DISTANT
    if slow:
        real = os.replace

        def replace(source: object, target: object) -> None:
            os.kill(os.getpid(), signal.SIGSTOP)
            real(source, target)  # type: ignore[arg-type]  # handed through

        os.replace = replace  # type: ignore[assignment]  # for this child process only
    fetch("distant", splits=["test"], cache_options=CacheOptions(mirrors=[url], timeouts=Timeouts()))


def spawn(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    child.start()
    return child


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["in the body", "before the rename"])
def test_killed_at_any_moment(distant: Mirror, how: signal.Signals, moment: str) -> None:
    """A killed process leaves no part of a file under its name, and the next one gets it whole."""
    arrived = threading.Event()

    def slowly(request: Handler) -> None:
        send(request, BODY[:50_000], Content_Length=len(BODY))
        arrived.set()
        time.sleep(1)

    whole = distant.answers[PATH]
    if moment == "in the body":
        distant.answers[PATH] = slowly
    child = spawn(fetch_in_child, distant.url, moment == "before the rename")
    if moment == "in the body":
        assert arrived.wait(10)
    else:
        while not any(name.endswith(".tmp") for name in (names() if place().parent.exists() else ())):
            time.sleep(0.01)
        time.sleep(0.2)
    assert child.pid
    os.kill(child.pid, how)
    os.kill(child.pid, signal.SIGCONT)
    child.join(10)
    assert child.exitcode == -how
    assert IMAGES.name not in names()
    distant.answers[PATH] = whole
    assert fetch("distant", splits=["test"], cache_options=cache_options(distant)).files[0].content == CONTENT


def test_old_temporary_files_are_swept(distant: Mirror) -> None:
    """What a killed process left is removed once it is old; newer ones and other files stay."""
    place().parent.mkdir(parents=True)
    for name, age in ((".x.0123456789abcdef.tmp", 7200), (".y.0123456789abcdef.tmp", 10), ("notes.tmp", 7200)):
        path = place().parent / name
        path.write_bytes(b"part")
        os.utime(path, (time.time() - age,) * 2)
    cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    assert names() == {IMAGES.name, ".y.0123456789abcdef.tmp", "notes.tmp"}


def test_full_disk(distant: Mirror) -> None:
    """Where the file does not fit, the error says so and nothing is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=f"cannot write {place()}: File too large"):
            cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert names() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody for a moment")
def test_read_only_cache(distant: Mirror, tmp_path: Path) -> None:
    """A cache that may not be written is an error before anything is downloaded; what it has is used."""
    cache.fetch_file(DISTANT, DISTANT.files["test"]["labels"], cache_options(distant))
    asked = len(distant.requests)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        assert cache.fetch_file(DISTANT, DISTANT.files["test"]["labels"], cache_options(distant)).origin == "cache"
        with pytest.raises(OutputError, match=r"(?s)the cache cannot be written: .*Permission denied.*--cache-dir"):
            cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    finally:
        os.seteuid(0)
    assert len(distant.requests) == asked


@pytest.mark.parametrize("what", ["cache", "dataset"])
def test_cache_path_is_a_file(distant: Mirror, what: str) -> None:
    """A file where a folder of the cache should be is named before anything is downloaded."""
    path = cache.folder() if what == "cache" else cache.folder() / "distant"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a folder")
    with pytest.raises(OutputError, match=f"the cache cannot be written: {path}"):
        cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    assert path.read_text() == "not a folder"
    assert distant.requests == []


def test_planted_symlink(distant: Mirror, tmp_path: Path) -> None:
    """A link that somebody put into a shared cache is replaced; what it points at is not written."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place().parent.mkdir(parents=True)
    place().symlink_to(victim)
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).content == CONTENT
    assert victim.read_text() == "precious"
    assert not place().is_symlink()


def damage_truncated(path: Path) -> None:
    os.truncate(path, 1000)


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[400_000] ^= 1
    path.write_bytes(content)


def damage_emptied(path: Path) -> None:
    path.write_bytes(b"")


def damage_longer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"x")


def damage_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


def damage_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = [damage_truncated, damage_bit, damage_emptied, damage_longer, damage_folder, damage_pipe]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache(distant: Mirror, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    """Damage is noticed at the next use, said, and healed by a new fetch; offline the error names the file."""
    cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    damage(place())
    assert cache.read_entry(DISTANT, IMAGES).state is State.BROKEN
    with pytest.raises(UnavailableError, match=rf"{place()} is broken \(.+\), and downloading is off"):
        cache.fetch_file(DISTANT, IMAGES, cache_options(distant, download=False))
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).origin == "mirror"
    assert f"{place()} is broken" in caplog.text
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).origin == "cache"
    if damage is damage_folder:
        (aside,) = place().parent.glob("*.folder-*/inside")
        assert aside.read_text() == "kept"


def test_healing_is_said_by_the_command(distant: Mirror, cli: Cli) -> None:
    """A real process says on stderr what it heals."""
    cli("fetch", "distant", "--split", "test", "--mirror", distant.url)
    damage_bit(place())
    code = (
        "import sys; from mnistloss.datasets import catalog; from test_faults import DISTANT;"
        "catalog.DATASETS['distant'] = DISTANT; from mnistloss.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "fetch", "distant", "--split", "test", "--mirror", distant.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert f"{place()} is broken (found SHA-256" in done.stderr
    assert "downloading it again" in done.stderr


def read_in_child(seconds: float) -> None:
    catalog.DATASETS["distant"] = DISTANT
    deadline = time.monotonic() + seconds
    seen = 0
    while time.monotonic() < deadline:
        if place().exists():
            assert place().read_bytes() == CONTENT
            seen += 1
        assert cache.read_entry(DISTANT, IMAGES).state is not State.BROKEN
    assert seen


def test_eight_processes(distant: Mirror) -> None:
    """Eight processes fetch into one empty cache while two read it: no reader ever sees a wrong byte."""
    readers = [spawn(read_in_child, 2.5) for _ in range(2)]
    fetchers = [spawn(fetch_in_child, distant.url) for _ in range(8)]
    for child in (*fetchers, *readers):
        child.join(30)
        assert child.exitcode == 0
    assert len(distant.requests) <= 16
    assert names() == {IMAGES.name, DISTANT.files["test"]["labels"].name}


# Containers: whatever holds the files, the content is verified in the same way.


@pytest.fixture
def raw() -> dict[str, bytes]:
    """The four files of mnist-5k, by their names, decompressed."""
    folder = cache.embedded_folder(catalog.MNIST_5K)
    return {file.name: gzip.decompress((folder / file.archive).read_bytes()) for file in catalog.MNIST_5K.select()}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.DATASETS, "distant", DISTANT)


def make_zip(path: Path, raw: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in raw.items():
            archive.writestr(f"archive/{name.replace('-idx', '.idx')}", content)
        archive.writestr("../../train-images-escape", b"evil")
        archive.writestr("readme.txt", b"hello")


def make_tar(path: Path, raw: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in raw.items():
            body = gzip.compress(content)
            member = tarfile.TarInfo(f"MNIST/raw/{name}.gz")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        link = tarfile.TarInfo("../train-images-link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def make_npz(path: Path, raw: dict[str, bytes]) -> None:
    (x, t), (x_test, t_test) = load_mnist(False, False, dataset="mnist-5k")
    np.savez_compressed(path, x_train=x[:, 0], y_train=t, x_test=x_test[:, 0], y_test=t_test)


@pytest.mark.parametrize(
    ("name", "make"), [("mnist.zip", make_zip), ("mnist.tar.gz", make_tar), ("mnist.npz", make_npz)]
)
def test_import_of_containers(
    name: str, make: Callable[[Path, dict[str, bytes]], None], raw: dict[str, bytes], tmp_path: Path
) -> None:
    """A .zip, a .tar.gz and keras's .npz give the published files; nothing else is written."""
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / name, raw)
    before = set(tmp_path.rglob("*"))
    for source in (tmp_path / "in" / name, tmp_path / "in"):
        found = fetch("distant", source=source)
        assert {item.file.name: item.content for item in found.files} == raw
    written = {path.name for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert written == set(raw)


def test_import_names_what_it_could_not_use(raw: dict[str, bytes], tmp_path: Path, cli: Cli) -> None:
    """What a container holds beside the files is named, with the reason."""
    make_zip(tmp_path / "mnist.zip", raw)
    output = cli("fetch", "distant", "--from", tmp_path / "mnist.zip").stdout
    assert "not used:" in output
    assert "[../../train-images-escape]: not a published file" in output


@pytest.mark.parametrize("heading", [True, False])
def test_import_of_csv(heading: bool, tmp_path: Path, raw: dict[str, bytes]) -> None:
    """A Kaggle-style CSV, label first, gives the images and the labels of its split."""
    split = load_split("mnist-5k", "test")
    table = np.column_stack([split.labels, split.images.reshape(1000, -1)])
    columns = ",".join(["label", *(f"pixel{i}" for i in range(784))]) if heading else ""
    path = tmp_path / "mnist_test.csv"
    np.savetxt(path, table, "%d", delimiter=",", header=columns, comments="")
    found = fetch("distant", splits=["test"], source=path)
    assert {item.content for item in found.files} == {raw[item.file.name] for item in found.files}
    assert len(found.files) == 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mnist.csv", b"label,pixel0\n3,0\n", "2 columns; expected a label and 784 pixels"),
        ("mnist.csv", b",".join([b"300"] * 785), "mnist.csv: .*300"),
        ("mnist.csv", b",".join([b"3"] * 785) + b"\n3\n", "mnist.csv: .*columns"),
        ("mnist.csv", b"", "1 columns; expected a label"),
        ("mnist.zip", b"PK\x03\x04rubbish", "mnist.zip: File is not a zip file"),
        ("mnist.tar.gz", b"\x1f\x8brubbish", "mnist.tar.gz: "),
        ("mnist.npz", b"rubbish", "mnist.npz: File is not a zip file"),
        ("train-images", b"\x1f\x8b\x08\x00", "the gzip data ends early"),
        ("train-images", gzip.compress(bytes(10_000_000)), "the content is longer than"),
    ],
)
def test_import_of_broken_containers(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    """A container that cannot be read is named with the reason."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnavailableError, match=f"(?s)does not hold .*{reason}"):
        fetch("distant", source=tmp_path / name)


def test_import_is_bounded(tmp_path: Path) -> None:
    """Archives made to cost time or memory are refused at once: many members, long names, one long line."""
    member = gzip.compress(b"")
    (tmp_path / "train-images-a.gz").write_bytes(gzip.compress(member * 39_000))
    with zipfile.ZipFile(tmp_path / "mnist-b.npz", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}.npy", b"")
    (tmp_path / "mnist-c.csv").write_bytes(b"1" + b",1" * 20_000_000)
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 200_000_000
    (tmp_path / "mnist-d.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(200_000_000), 1))
    started = time.monotonic()
    tracemalloc.start()
    with pytest.raises(UnavailableError) as caught:
        fetch("distant", splits=["test"], source=tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for reason in ("more than 5,000 gzip members", "3,000 arrays", "columns; expected", "far more than the files"):
        assert reason in str(caught.value)
    assert time.monotonic() - started < 5
    assert peak < 30_000_000


def test_import_of_what_cannot_be_read(tmp_path: Path, cli: Cli) -> None:
    """A name that is too long, a link to a folder, an encrypted member and an empty path are said, not raised."""
    with pytest.raises(UnavailableError, match="File name too long"):
        fetch("distant", source=tmp_path / ("a" * 300))
    (tmp_path / "there").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "raw").symlink_to(tmp_path / "there")
    with zipfile.ZipFile(tmp_path / "in" / "mnist.zip", "w") as archive:
        archive.writestr("train-images", b"x")
    content = bytearray((tmp_path / "in" / "mnist.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "in" / "mnist.zip").write_bytes(content)
    with pytest.raises(UnavailableError, match=r"(?s)a link to a folder.*mnist\.zip: .*encrypted"):
        fetch("distant", source=tmp_path / "in")
    assert cli("fetch", "--from", "").exit_code == 2
    assert cli("cache", "path", "--cache-dir", "").exit_code == 2


def test_long_complaints_are_cut(tmp_path: Path) -> None:
    """Of many files that could not be used, the first are named and the rest counted."""
    for number in range(30):
        (tmp_path / f"train-images-{number:02d}").write_bytes(b"x")
    with pytest.raises(UnavailableError, match="and 20 more that could not be used"):
        fetch("distant", source=tmp_path)


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e11"])
def test_absurd_patience(seconds: str, cli: Cli) -> None:
    """Times that are no time are usage errors."""
    assert cli("fetch", "--deadline", seconds).exit_code == 2


def test_secrets_stay_out_of_messages(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users and passwords of mirrors and proxies are not printed, nor what libraries say of them."""
    for url in ("https://user:secret@127.0.0.1:99999/", "https://user:sec/secret@127.0.0.1/", "http://u:secret[@::1/"):
        assert "secret" not in cli("fetch", "--mirror", url, "--deadline", 5).stderr
    monkeypatch.setenv("https_proxy", "http://u:secret@127.0.0.1:99999")
    assert "secret" not in cli("fetch", "--mirror", "https://127.0.0.1:9/").stderr


def test_own_mistakes_are_not_tried_again(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate file that is not there is said once; a bad mirror is refused before any is asked."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert "attempt" not in str(_unavailable(["https://127.0.0.1:9/"]))
    with pytest.raises(ArgumentError, match="ftp"):
        download(IMAGES, [mirror.url, "ftp://x/"])
    assert mirror.requests == []


def _unavailable(mirrors: list[str]) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        download(IMAGES, mirrors, CacheOptions(timeouts=HASTY))
    return caught.value


def test_clear_leaves_what_is_not_ours(cli: Cli, tmp_path: Path) -> None:
    """A folder in the place of a file is left and said; so is all of an embedded dataset's name."""
    for name in ("mnist/t10k-labels-idx1-ubyte", "mnist-5k"):
        (cache.folder() / name).mkdir(parents=True)
    (cache.folder() / "mnist-5k" / IMAGES.name).write_text("mine")
    result = cli("cache", "clear")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "kept, because it is not a file" in result.stderr
    assert (cache.folder() / "mnist-5k" / IMAGES.name).read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert cli("cache", "verify", "--cache-dir", tmp_path / "file").exit_code == 1


def test_import_of_debian_fashion(cli: Cli) -> None:
    """Debian's package of Fashion-MNIST is imported, where it is installed."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    assert cli("fetch", "fashion-mnist", "--from", folder).exit_code == 0
    test = load_split("fashion-mnist", "test", CacheOptions(download=False))
    assert test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert test.images.sum(dtype=np.int64) == 573469082


# Datasets of which only the digest of the .gz is published.


def archived(name: str, array: np.ndarray) -> tuple[catalog.File, bytes]:
    content = idx.encode(array)
    body = gzip.compress(content)
    digest = hashlib.sha256(body).hexdigest()
    return catalog.File(name, array.shape, None, archive_sha256=digest, itemsize=array.itemsize), body


@pytest.fixture
def family(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> catalog.Dataset:
    """A dataset like QMNIST: labels of eight columns of int32, and only the digests of the archives."""
    labels = np.arange(40, dtype=np.int32).reshape(5, 8) % 10
    images, image_body = archived("images", np.ones((5, 28, 28), np.uint8))
    file, label_body = archived("labels", labels)
    files: dict[str, dict[catalog.Kind, catalog.File]] = {
        split: {"images": images, "labels": file} for split in catalog.SPLITS
    }
    dataset = catalog.Dataset("family", "", files, tuple("0123456789"), (mirror.url,), "", "")
    monkeypatch.setitem(catalog.DATASETS, "family", dataset)
    mirror.answers.update({"/images.gz": image_body, "/labels.gz": label_body})
    return dataset


def test_archive_digest(family: catalog.Dataset, mirror: Mirror) -> None:
    """The download is held to the digest of the archive, later uses to that of the content, recorded beside it."""
    assert load_split("family", "test").labels.tolist() == [0, 8, 6, 4, 2]
    path = cache.folder() / "family" / "labels"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in path.with_name("labels.sha256").read_text()
    asked = len(mirror.requests)
    load_split("family", "test")
    assert len(mirror.requests) == asked
    path.write_bytes(path.read_bytes()[:-1] + b"\x05")
    assert cache.read_entry(family, family.files["test"]["labels"]).state is State.BROKEN
    path.with_name("labels.sha256").unlink()
    assert cache.read_entry(family, family.files["test"]["labels"]).reason == "no digest is recorded beside it"


def test_archive_in_another_compression_is_refused(family: catalog.Dataset, mirror: Mirror, tmp_path: Path) -> None:
    """Where only the archive's digest is known, another compression of the same content cannot be told from another."""
    content = gzip.decompress(mirror.answers["/labels.gz"])  # type: ignore[arg-type]  # bytes
    mirror.answers["/labels.gz"] = gzip.compress(content, 1)
    with pytest.raises(UnavailableError, match="found SHA-256"):
        cache.fetch_file(family, family.files["test"]["labels"])
    (tmp_path / "train-labels").write_bytes(content)
    with pytest.raises(UnavailableError, match=r"not the published \.gz file"):
        fetch("family", source=tmp_path / "train-labels")


def test_import_of_an_archive(family: catalog.Dataset, mirror: Mirror, tmp_path: Path) -> None:
    """The published .gz on disk is imported."""
    (tmp_path / "labels.gz").write_bytes(mirror.answers["/labels.gz"])  # type: ignore[arg-type]  # bytes
    assert [item.origin for item in fetch("family", source=tmp_path / "labels.gz").files] == ["disk"]


# The commands.


def test_cache_command(distant: Mirror, cli: Cli) -> None:
    """`cache` lists, verifies and clears what was put there, and nothing else."""
    assert cli("cache").stdout == "nothing is cached\n"
    cli("fetch", "distant", "--split", "test", "--mirror", distant.url)
    (place().parent / "mine.txt").write_text("mine")
    assert "t10k-images-idx3-ubyte  784,016  SHA-256" in cli("cache").stdout
    assert cli("cache", "verify").exit_code == 0
    damage_bit(place())
    result = cli("cache", "verify", "--format", "json")
    assert result.exit_code == 1
    broken, good = json.loads(result.stdout)["files"]
    assert (broken["verified"], good["verified"]) == (False, True)
    assert "found SHA-256" in broken["reason"]
    assert cli("cache", "path").stdout == f"{cache.folder()}\n"
    assert cli("cache", "clear", "mnist").stdout == ""
    assert f"removed {place()}" in cli("cache", "clear").stdout
    assert names() == {"mine.txt"}


def test_datasets_command(cli: Cli) -> None:
    """`datasets` lists the catalog, as JSON too, and cites."""
    output = cli("datasets").stdout
    listed = json.loads(cli("datasets", "--format", "json").stdout)["datasets"]
    for dataset in catalog.DATASETS.values():
        assert dataset.name in output
        assert dataset.title in output
    assert [entry["name"] for entry in listed] == list(catalog.DATASETS)
    assert listed[0]["files"][0]["sha256"] == catalog.MNIST.files["train"]["images"].sha256
    assert "arXiv:1905.10498" in cli("datasets", "--cite", "qmnist").stdout


def test_jitter(monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> None:
    """The waits between attempts double, and are spread by chance so that many clients do not come at once."""
    waits: list[float] = []
    clock = SimpleNamespace(**{**vars(time), "sleep": waits.append})  # of the downloader alone, not of other threads
    monkeypatch.setattr("mnistloss.datasets.download.time", clock)
    random.seed(1)
    mirror.answers[PATH] = 503
    refused(mirror, Timeouts(attempts=4, backoff=1.0))
    assert [0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3
    assert len({wait / 2**n for n, wait in enumerate(waits)}) == 3
