"""The cache: when it downloads, and that killed processes, full disks and other writers cannot corrupt it."""

import gzip
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from mirror import Mirror, Request, send
from small_datasets import (
    BODY,
    CONTENT,
    DISTANT,
    IMAGES,
    LABELS,
    LABELS_CONTENT,
    OFFLINE,
    PATH,
    SHORT_TIMEOUTS,
    SMALL,
    put_up,
)

from mnistloss.arrays.save import save_array
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.cache import Action, State, decide
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions, Timeouts
from mnistloss.errors import OutputError, UnavailableError

pytestmark = pytest.mark.usefixtures("small_datasets")


@pytest.mark.parametrize(
    ("state", "download", "force", "expected"),
    [
        (State.VERIFIED, True, False, Action.USE),
        (State.VERIFIED, False, False, Action.USE),
        (State.VERIFIED, True, True, Action.DOWNLOAD),
        (State.MISSING, True, False, Action.DOWNLOAD),
        (State.MISSING, False, False, Action.FAIL),
        (State.BROKEN, True, False, Action.DOWNLOAD),
        (State.BROKEN, False, False, Action.FAIL),
    ],
)
def test_decision(state: State, download: bool, force: bool, expected: Action) -> None:
    """The action follows from the state of the file, whether downloads are allowed, and force."""
    assert decide(state, download=download, force=force) is expected


def test_fetch_downloads_once(mirror: Mirror) -> None:
    """The first run downloads into the cache, the second verifies the cached files and sends no request."""
    put_up(mirror)
    for origin in ("mirror", "cache"):
        files = fetch("small", cache_options=CacheOptions(mirrors=[mirror.url])).files
        assert [item.origin for item in files] == [origin] * 4
        assert len(mirror.requests) == 4
    assert (cache.folder() / "small" / "train-labels").read_bytes() == LABELS_CONTENT


def test_fetch_force_downloads_again(mirror: Mirror) -> None:
    """force downloads a file that is in the cache."""
    put_up(mirror)
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url]))
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url], force=True), splits=["test"])
    assert mirror.requests[4:] == ["/test-images.gz", "/test-labels.gz"]


def test_mirror_without_compression(mirror: Mirror) -> None:
    """A mirror may serve the files without compression."""
    put_up(mirror, compress=False)
    assert len(fetch("small", cache_options=CacheOptions(mirrors=[mirror.url])).files) == 4


def test_broken_cache_heals(mirror: Mirror) -> None:
    """A cached file that was changed, cut off or extended is downloaded again."""
    put_up(mirror)
    path = cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])).path
    for damage in (b"", LABELS_CONTENT[:-1], LABELS_CONTENT[:-1] + b"\7", LABELS_CONTENT + b"\0"):
        path.write_bytes(damage)
        assert cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])).origin == "mirror"
        assert path.read_bytes() == LABELS_CONTENT


def test_broken_cache_without_download() -> None:
    """If downloading is off, the error names the broken file."""
    path = cache.folder() / "small" / "train-labels"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rubbish")
    with pytest.raises(
        UnavailableError, match="train-labels is broken \\(found 7 bytes, expected 12\\), and downloading is off"
    ):
        cache.fetch_file(SMALL, LABELS, OFFLINE)


def test_no_partial_file(mirror: Mirror) -> None:
    """During a download the cache has no file of that name."""
    halfway, resume = threading.Event(), threading.Event()
    body = gzip.compress(LABELS_CONTENT)

    def slowly(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[:10])
        halfway.set()
        resume.wait(10)
        request.wfile.write(body[10:])

    mirror.answers["/train-labels.gz"] = slowly
    thread = threading.Thread(target=cache.fetch_file, args=(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])))
    thread.start()
    assert halfway.wait(10)
    assert not (cache.folder() / "small" / "train-labels").exists()
    resume.set()
    thread.join(10)
    assert (cache.folder() / "small" / "train-labels").read_bytes() == LABELS_CONTENT


def test_cached_files_have_ordinary_modes(mirror: Mirror) -> None:
    """The umask sets the mode of cached files."""
    put_up(mirror)
    old = os.umask(0o022)
    try:
        path = cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])).path
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The argument comes first, then MNISTLOSS_CACHE, then the platform's folder."""
    assert cache.folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("MNISTLOSS_CACHE", str(tmp_path / "variable"))
    assert cache.folder() == tmp_path / "variable"
    monkeypatch.delenv("MNISTLOSS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder().name == "mnistloss"


@pytest.fixture
def distant(mirror: Mirror) -> Mirror:
    """A mirror with the test split of DISTANT."""
    for kind in catalog.KINDS:
        file = DISTANT.files["test"][kind]
        mirror.answers[f"/{file.archive}"] = (cache.embedded_folder(catalog.MNIST_5K) / file.archive).read_bytes()
    return mirror


def cache_options(mirror: Mirror, **options: object) -> CacheOptions:
    return CacheOptions(mirrors=[mirror.url], timeouts=SHORT_TIMEOUTS, **options)  # type: ignore[arg-type]  # passed on as given


def cached_images() -> Path:
    return cache.folder() / "distant" / IMAGES.name


def cached_names() -> set[str]:
    return {path.name for path in cached_images().parent.iterdir()}


def fetch_in_child(url: str, stop: bool = False) -> None:
    """Fetch in a child process, which stops itself before the first rename if asked to."""
    if stop:
        rename = os.replace

        def replace(source: object, target: object) -> None:
            os.kill(os.getpid(), signal.SIGSTOP)
            rename(source, target)  # type: ignore[arg-type]  # passed on as given

        os.replace = replace  # type: ignore[assignment]  # for this child process only
    fetch("distant", splits=["test"], cache_options=CacheOptions(mirrors=[url], timeouts=Timeouts()))


def spawn(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    child.start()
    return child


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["in the body", "before the rename"])
def test_killed_at_any_moment(distant: Mirror, how: signal.Signals, moment: str) -> None:
    """A killed process leaves no partial file under the file's name, and the next process fetches all of it."""
    sent_half = threading.Event()

    def slowly(request: Request) -> None:
        send(request, BODY[:50_000], Content_Length=len(BODY))
        sent_half.set()
        time.sleep(1)

    answer = distant.answers[PATH]
    if moment == "in the body":
        distant.answers[PATH] = slowly
    child = spawn(fetch_in_child, distant.url, moment == "before the rename")
    if moment == "in the body":
        assert sent_half.wait(10)
    else:
        while not any(name.endswith(".tmp") for name in (cached_names() if cached_images().parent.exists() else ())):
            time.sleep(0.01)
        time.sleep(0.2)
    assert child.pid
    os.kill(child.pid, how)
    os.kill(child.pid, signal.SIGCONT)
    child.join(10)
    assert child.exitcode == -how
    assert IMAGES.name not in cached_names()
    distant.answers[PATH] = answer
    assert fetch("distant", splits=["test"], cache_options=cache_options(distant)).files[0].content == CONTENT


def test_old_temporary_files_are_removed(distant: Mirror) -> None:
    """Old temporary files are removed; newer ones and other files are kept."""
    cached_images().parent.mkdir(parents=True)
    for name, age in ((".x.0123456789abcdef.tmp", 7200), (".y.0123456789abcdef.tmp", 10), ("notes.tmp", 7200)):
        path = cached_images().parent / name
        path.write_bytes(b"part")
        os.utime(path, (time.time() - age,) * 2)
    cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    assert cached_names() == {IMAGES.name, ".y.0123456789abcdef.tmp", "notes.tmp"}


def test_full_disk(distant: Mirror) -> None:
    """If a file does not fit on the disk, the error says so and no part of it is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=f"cannot write {cached_images()}: File too large"):
            cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert cached_names() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody for a moment")
def test_read_only_cache(distant: Mirror, tmp_path: Path) -> None:
    """A cache that may not be written is refused before a download; its files are used."""
    cache.fetch_file(DISTANT, DISTANT.files["test"]["labels"], cache_options(distant))
    requests = len(distant.requests)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        assert cache.fetch_file(DISTANT, DISTANT.files["test"]["labels"], cache_options(distant)).origin == "cache"
        with pytest.raises(
            OutputError, match=r"(?s)the cache cannot be written: .*Permission denied.*cache_dir=FOLDER"
        ):
            cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    finally:
        os.seteuid(0)
    assert len(distant.requests) == requests


@pytest.mark.parametrize("what", ["cache", "dataset"])
def test_cache_path_is_a_file(distant: Mirror, what: str) -> None:
    """A file in the place of a cache folder is refused before a download, and kept."""
    path = cache.folder() if what == "cache" else cache.folder() / "distant"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a folder", "utf-8")
    with pytest.raises(OutputError, match=f"the cache cannot be written: {path}"):
        cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    assert path.read_text("utf-8") == "not a folder"
    assert distant.requests == []


def test_planted_symlink(distant: Mirror, tmp_path: Path) -> None:
    """A link that somebody put into a shared cache is replaced; its target is not written."""
    victim = tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    cached_images().parent.mkdir(parents=True)
    cached_images().symlink_to(victim)
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).content == CONTENT
    assert victim.read_text("utf-8") == "precious"
    assert not cached_images().is_symlink()


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
    (path / "inside").write_text("kept", "utf-8")


def damage_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = [damage_truncated, damage_bit, damage_emptied, damage_longer, damage_folder, damage_pipe]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache(distant: Mirror, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is downloaded again at the next use, with a warning; offline it is refused by name."""
    cache.fetch_file(DISTANT, IMAGES, cache_options(distant))
    damage(cached_images())
    assert cache.read_entry(DISTANT, IMAGES).state is State.BROKEN
    with pytest.raises(UnavailableError, match=rf"{cached_images()} is broken \(.+\), and downloading is off"):
        cache.fetch_file(DISTANT, IMAGES, cache_options(distant, download=False))
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).origin == "mirror"
    assert f"{cached_images()} is broken" in caplog.text
    assert cache.fetch_file(DISTANT, IMAGES, cache_options(distant)).origin == "cache"
    if damage is damage_folder:
        (moved,) = cached_images().parent.glob("*.folder-*/inside")
        assert moved.read_text("utf-8") == "kept"


def test_command_warns_of_a_damaged_file(distant: Mirror, cli: Cli) -> None:
    """The command warns on stderr that it downloads a broken file again."""
    cli("fetch", "distant", "--split", "test", "--mirror", distant.url)
    damage_bit(cached_images())
    code = (
        "import sys; from mnistloss.datasets import catalog; from small_datasets import DISTANT;"
        "catalog.DATASETS['distant'] = DISTANT; from mnistloss.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "fetch", "distant", "--split", "test", "--mirror", distant.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment)
    assert f"{cached_images()} is broken (found SHA-256" in done.stderr
    assert "downloading it again" in done.stderr


def read_in_child(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    reads = 0
    while time.monotonic() < deadline:
        if cached_images().exists():
            assert cached_images().read_bytes() == CONTENT
            reads += 1
        assert cache.read_entry(DISTANT, IMAGES).state is not State.BROKEN
    assert reads


def test_eight_processes(distant: Mirror) -> None:
    """Eight processes fetch into one empty cache while two read it: no reader gets a wrong byte."""
    readers = [spawn(read_in_child, 2.5) for _ in range(2)]
    fetchers = [spawn(fetch_in_child, distant.url) for _ in range(8)]
    for child in (*fetchers, *readers):
        child.join(30)
        assert child.exitcode == 0
    assert len(distant.requests) <= 16
    assert cached_names() == {IMAGES.name, DISTANT.files["test"]["labels"].name}


def gzipped_file(name: str, array: np.ndarray) -> tuple[catalog.File, bytes]:
    content = idx.encode(array)
    body = gzip.compress(content)
    digest = hashlib.sha256(body).hexdigest()
    return catalog.File(name, array.shape, None, archive_sha256=digest, itemsize=array.itemsize), body


@pytest.fixture
def qmnist_like(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> catalog.Dataset:
    """A dataset like QMNIST: labels of eight columns of int32, and only the digests of the archives."""
    labels = np.arange(40, dtype=np.int32).reshape(5, 8) % 10
    images, image_body = gzipped_file("images", np.ones((5, 28, 28), np.uint8))
    file, label_body = gzipped_file("labels", labels)
    files: dict[str, dict[catalog.Kind, catalog.File]] = {
        split: {"images": images, "labels": file} for split in catalog.SPLITS
    }
    dataset = catalog.Dataset("qmnist-like", "", files, tuple("0123456789"), (mirror.url,), "", "")
    monkeypatch.setitem(catalog.DATASETS, "qmnist-like", dataset)
    mirror.answers.update({"/images.gz": image_body, "/labels.gz": label_body})
    return dataset


def test_archive_digest(qmnist_like: catalog.Dataset, mirror: Mirror) -> None:
    """A download is verified by the digest of the archive, later uses by the stored digest of the content."""
    assert load_split("qmnist-like", "test").labels.tolist() == [0, 8, 6, 4, 2]
    path = cache.folder() / "qmnist-like" / "labels"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in path.with_name("labels.sha256").read_text("utf-8")
    requests = len(mirror.requests)
    load_split("qmnist-like", "test")
    assert len(mirror.requests) == requests
    path.write_bytes(path.read_bytes()[:-1] + b"\x05")
    labels = qmnist_like.files["test"]["labels"]
    assert cache.read_entry(qmnist_like, labels).state is State.BROKEN
    path.with_name("labels.sha256").unlink()
    assert cache.read_entry(qmnist_like, labels).reason == "no digest is recorded beside it"


def test_archive_in_another_compression(qmnist_like: catalog.Dataset, mirror: Mirror, tmp_path: Path) -> None:
    """If only the archive's digest is known, the same content in another compression is refused."""
    content = gzip.decompress(mirror.answers["/labels.gz"])  # type: ignore[arg-type]  # bytes
    mirror.answers["/labels.gz"] = gzip.compress(content, 1)
    with pytest.raises(UnavailableError, match="found SHA-256"):
        cache.fetch_file(qmnist_like, qmnist_like.files["test"]["labels"])
    (tmp_path / "train-labels").write_bytes(content)
    with pytest.raises(UnavailableError, match=r"not the published \.gz file"):
        fetch("qmnist-like", source=tmp_path / "train-labels")


def test_import_of_an_archive(qmnist_like: catalog.Dataset, mirror: Mirror, tmp_path: Path) -> None:
    """The published .gz file is imported."""
    (tmp_path / "labels.gz").write_bytes(mirror.answers["/labels.gz"])  # type: ignore[arg-type]  # bytes
    assert [item.origin for item in fetch("qmnist-like", source=tmp_path / "labels.gz").files] == ["disk"]


def test_cache_command(distant: Mirror, cli: Cli) -> None:
    """`cache` lists, verifies and clears the files of the cache, and no others."""
    assert cli("cache").stdout == "nothing is cached\n"
    cli("fetch", "distant", "--split", "test", "--mirror", distant.url)
    (cached_images().parent / "mine.txt").write_text("mine", "utf-8")
    assert "t10k-images-idx3-ubyte  784,016  SHA-256" in cli("cache").stdout
    assert cli("cache", "verify").exit_code == 0
    damage_bit(cached_images())
    result = cli("cache", "verify", "--format", "json")
    assert result.exit_code == 1
    broken, good = json.loads(result.stdout)["files"]
    assert (broken["verified"], good["verified"]) == (False, True)
    assert "found SHA-256" in broken["reason"]
    assert cli("cache", "path").stdout == f"{cache.folder()}\n"
    assert cli("cache", "clear", "mnist").stdout == ""
    assert f"removed {cached_images()}" in cli("cache", "clear").stdout
    assert cached_names() == {"mine.txt"}


def test_clear_keeps_other_files(cli: Cli, tmp_path: Path) -> None:
    """A folder in the place of a file is kept, with a note, and so is a folder with an embedded dataset's name."""
    for name in ("mnist/t10k-labels-idx1-ubyte", "mnist-5k"):
        (cache.folder() / name).mkdir(parents=True)
    (cache.folder() / "mnist-5k" / IMAGES.name).write_text("mine", "utf-8")
    result = cli("cache", "clear")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "kept, because it is not a file" in result.stderr
    assert (cache.folder() / "mnist-5k" / IMAGES.name).read_text("utf-8") == "mine"
    (tmp_path / "file").write_text("", "utf-8")
    assert cli("cache", "verify", "--cache-dir", tmp_path / "file").exit_code == 1


def test_two_clear_at_once() -> None:
    """Of several that clear the cache at once, one reports each file, and none fails."""
    for _ in range(20):
        paths = [cache.folder() / "mnist" / file.name for file in catalog.MNIST.select()]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        with ThreadPoolExecutor(4) as pool:
            removed = [path for paths, _ in pool.map(cache.clear, [["mnist"]] * 4) for path in paths]
        assert sorted(removed) == sorted(paths)


@pytest.mark.parametrize("name", ["a" * 240 + ".npy", "숫자" * 41 + ".npy"])
def test_long_names_are_written(name: str, tmp_path: Path) -> None:
    """A name of up to 255 bytes is written, though the temporary name is made from it."""
    save_array(tmp_path / name, np.zeros(3))
    assert [path.name for path in tmp_path.iterdir()] == [name]
