"""The data layer: the embedded digits, the cache, downloads from a real server, imports from disk, arrays."""

import gzip
import hashlib
import os
import pickle
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from mirror import Mirror

from mnistloss import evaluate, load_mnist
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.cache import Action, State, decide
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import Form, load_split
from mnistloss.datasets.settings import CacheOptions, Timeouts
from mnistloss.datasets.verify import TruncatedError, inflate, verify
from mnistloss.errors import ArgumentError, IdxError, IntegrityError, UnavailableError
from mnistloss.evaluation.targets import DataOptions, TargetLoader, Targets

SMALL = catalog.Dataset(
    name="small",
    title="a dataset of the tests",
    files={
        split: {
            catalog.KINDS[kind == "labels"]: catalog.File(
                f"{split}-{kind}", shape, hashlib.sha256(idx.encode(array)).hexdigest()
            )
            for kind, shape, array in (
                ("images", (4, 28, 28), np.full((4, 28, 28), number, np.uint8)),
                ("labels", (4,), np.arange(4, dtype=np.uint8) + number),
            )
        }
        for number, split in enumerate(("train", "test"))
    },
    class_names=tuple("01234"),
    mirrors=("http://127.0.0.1:9/nowhere/",),
    licence="none",
    bibtex="none",
)
OFFLINE = CacheOptions(download=False)
HASTY = Timeouts(connect=5, read=5, total=20, attempts=2, backoff=0.01)
LABELS = SMALL.files["train"]["labels"]
CONTENT = idx.encode(np.arange(4, dtype=np.uint8))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.DATASETS, "small", SMALL)


def put_up(mirror: Mirror, compress: bool = True) -> None:
    """Put all files of the small dataset on the mirror."""
    for number, split in enumerate(("train", "test")):
        images = idx.encode(np.full((4, 28, 28), number, np.uint8))
        labels = idx.encode(np.arange(4, dtype=np.uint8) + number)
        for kind, content in (("images", images), ("labels", labels)):
            mirror.answers[f"/{split}-{kind}.gz"] = gzip.compress(content) if compress else content


def test_embedded_digits() -> None:
    """5,000 digits are always there: 400 of each class in train, 100 in test, interleaved."""
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, dataset="mnist-5k")
    assert x_train.shape == (4000, 784)
    assert x_test.shape == (1000, 784)
    np.testing.assert_array_equal(t_train, np.arange(4000) % 10)
    np.testing.assert_array_equal(t_test, np.arange(1000) % 10)


def test_embedded_digits_are_small() -> None:
    """The four files stay under 1 MB."""
    folder = cache.embedded_folder(catalog.MNIST_5K)
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < 1_000_000


def test_embedded_digits_are_the_first_of_mnist(real: Path) -> None:
    """They are the first 500 training images of each class, in the published order."""
    full, train, test = load_split("mnist", "train"), load_split("mnist-5k", "train"), load_split("mnist-5k", "test")
    for digit in range(10):
        first = full.images[full.labels == digit][:500]
        np.testing.assert_array_equal(train.images[digit::10], first[:400])
        np.testing.assert_array_equal(test.images[digit::10], first[400:])


def test_real_mnist_is_as_the_note_uses_it(real: Path) -> None:
    """(60000, 784) float32 in [0, 1] and one-hot rows, as the note prints; the published facts hold."""
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=True, one_hot_label=True)
    assert (x_train.shape, t_train.shape) == ((60000, 784), (60000, 10))
    assert (x_test.shape, t_test.shape) == ((10000, 784), (10000, 10))
    assert x_train.dtype == np.float32
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert t_train[:10].argmax(axis=1).tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert t_test.sum(axis=0).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    (x_train, t_train), (x_test, _) = load_mnist(normalize=False, flatten=False)
    assert (x_train.shape, str(x_train.dtype), str(t_train.dtype)) == ((60000, 1, 28, 28), "uint8", "uint8")
    assert (x_train.sum(dtype=np.int64), x_test.sum(dtype=np.int64)) == (1567298545, 264923200)


def test_normalised_pixels_are_the_byte_over_255() -> None:
    """Exactly what the course's `astype(np.float32) / 255.0` gives."""
    (raw, _), _ = load_mnist(normalize=False, dataset="mnist-5k")
    (x, _), _ = load_mnist(dataset="mnist-5k")
    np.testing.assert_array_equal(x, raw.astype(np.float32) / 255.0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("one_hot_label", [True, False])
def test_arrays_are_writable(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, normalize: bool, one_hot_label: bool
) -> None:
    """Arrays may be changed in place, embedded, downloaded and cached; the next call reads the data again."""
    put_up(mirror)
    monkeypatch.setitem(catalog.DATASETS, "small", SMALL._replace(mirrors=(mirror.url,)))
    for dataset in ("mnist-5k", "small", "small"):
        (x, t), test = load_mnist(normalize, one_hot_label=one_hot_label, dataset=dataset)
        x[0] = t[0] = 1
        assert all(array.flags.writeable for array in test)
        (again, t_again), _ = load_mnist(normalize, one_hot_label=one_hot_label, dataset=dataset)
        assert not (again[0] == x[0]).all()
        assert not (t_again[0] == t[0]).all()
    assert len(mirror.requests) == 4


def test_cached_arrays_are_not_copied(mirror: Mirror) -> None:
    """Raw images and labels from the cache are the bytes that were read and verified."""
    put_up(mirror)
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url]))
    split = load_split("small", "train", OFFLINE)
    x, t = split.take(slice(None), Form(normalize=False))
    assert np.shares_memory(x, split.images)
    assert np.shares_memory(t, split.labels)
    embedded = load_split("mnist-5k", "test")
    assert not np.shares_memory(embedded.take(slice(None), Form(normalize=False))[0], embedded.images)


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
    """What to do follows from what the cache has, what is allowed and what is asked for."""
    assert decide(state, download=download, force=force) is expected


def test_fetch_downloads_once(mirror: Mirror) -> None:
    """The first run downloads into the cache, the second verifies what is there and asks for nothing."""
    put_up(mirror)
    assert {item.origin for item in fetch("small", cache_options=CacheOptions(mirrors=[mirror.url])).files} == {
        "mirror"
    }
    assert len(mirror.requests) == 4
    again = fetch("small", cache_options=CacheOptions(mirrors=[mirror.url])).files
    assert {item.origin for item in again} == {"cache"}
    assert len(mirror.requests) == 4
    assert (cache.folder() / "small" / "train-labels").read_bytes() == CONTENT


def test_fetch_force_downloads_again(mirror: Mirror) -> None:
    """--force asks the mirror although the cache has the file."""
    put_up(mirror)
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url]))
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url], force=True), splits=["test"])
    assert mirror.requests[4:] == ["/test-images.gz", "/test-labels.gz"]


def test_content_counts_and_not_its_compression(mirror: Mirror) -> None:
    """A mirror may serve the file in another compression or in none."""
    put_up(mirror, compress=False)
    assert len(fetch("small", cache_options=CacheOptions(mirrors=[mirror.url])).files) == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (404, "answered 404 Not Found"),
        (503, "answered 503 Service Unavailable"),
        (b"<html>sorry</html>", r"found a web page \(HTML\)"),
        (b"<html>", r"found a web page \(HTML\)"),
        (gzip.compress(CONTENT[:-1]), "found 11 bytes, expected 12"),
        (gzip.compress(CONTENT[:-1] + b"\7"), "found SHA-256 .*, expected"),
        (gzip.compress(CONTENT)[:-9], "the gzip data ends early"),
        (gzip.compress(CONTENT) + b"more", "bytes after the end of the gzip data"),
        (gzip.compress(bytes(100_000)), "longer than the 12 bytes expected"),
        (b"", "found 0 bytes"),
    ],
)
def test_bad_mirror(mirror: Mirror, answer: bytes | int, reason: str) -> None:
    """A mirror that does not deliver the published content is named with the reason; nothing is cached."""
    mirror.answers["/train-labels.gz"] = answer
    with pytest.raises(UnavailableError, match=f"(?s){mirror.url}/train-labels.gz.*{reason}.*--from PATH.*mnist-5k"):
        cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url], timeouts=HASTY))
    assert not list(cache.folder().rglob("*labels*"))


def test_next_mirror_is_tried(mirror: Mirror) -> None:
    """Mirrors are tried in turn until one delivers."""
    put_up(mirror)
    mirrors = [f"{mirror.url}/gone/", "http://127.0.0.1:9/", mirror.url]
    assert cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=mirrors)).content == CONTENT


def test_no_network_at_all() -> None:
    """Where no mirror can be reached, each is named with why, and the ways to go on."""
    with pytest.raises(UnavailableError, match=r"(?s)ossci.*no connection.*cvdf.*no connection.*fgnt.*no connection"):
        load_split("mnist", "test")


def test_broken_cache_heals(mirror: Mirror) -> None:
    """A cached file that was changed or cut off is noticed and fetched again."""
    put_up(mirror)
    path = cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])).path
    for damage in (b"", CONTENT[:-1], CONTENT[:-1] + b"\7", CONTENT + b"\0"):
        path.write_bytes(damage)
        assert cache.fetch_file(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])).origin == "mirror"
        assert path.read_bytes() == CONTENT


def test_broken_cache_without_download() -> None:
    """Where downloading is off, the error names the broken file."""
    path = cache.folder() / "small" / "train-labels"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rubbish")
    with pytest.raises(
        UnavailableError, match="train-labels is broken \\(found 7 bytes, expected 12\\), and downloading is off"
    ):
        cache.fetch_file(SMALL, LABELS, OFFLINE)


def test_no_part_of_a_file_is_ever_seen(mirror: Mirror) -> None:
    """While a download runs, the cache has no file of that name."""
    halfway, go_on = threading.Event(), threading.Event()
    body = gzip.compress(CONTENT)

    def slowly(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[:10])
        halfway.set()
        go_on.wait(10)
        request.wfile.write(body[10:])

    mirror.answers["/train-labels.gz"] = slowly
    thread = threading.Thread(target=cache.fetch_file, args=(SMALL, LABELS, CacheOptions(mirrors=[mirror.url])))
    thread.start()
    assert halfway.wait(10)
    assert not (cache.folder() / "small" / "train-labels").exists()
    go_on.set()
    thread.join(10)
    assert (cache.folder() / "small" / "train-labels").read_bytes() == CONTENT


def test_cached_files_have_ordinary_modes(mirror: Mirror) -> None:
    """The umask decides who may read the cache."""
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


def test_import_of_the_real_files(realdata: Path) -> None:
    """The real files are recognised by their content, the re-compressed one too."""
    files = fetch("mnist", source=realdata / "mnist").files
    assert [item.origin for item in files] == ["disk"] * 4
    assert load_split("mnist", "train", OFFLINE).labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """The files of the small dataset as a course's or another tool's folder has them."""
    folder = tmp_path / "root" / "Small" / "raw"
    folder.mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        labels = idx.encode(np.arange(4, dtype=np.uint8) + number)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx.encode(np.full((4, 28, 28), number, np.uint8)))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, 1))
    return tmp_path / "root"


def test_import_finds_files_in_sub_folders(on_disk: Path) -> None:
    """A folder is searched with its sub-folders, for gzipped and raw files."""
    assert {item.file.name for item in fetch("small", source=on_disk).files} == {file.name for file in SMALL.select()}
    assert load_split("small", "test", OFFLINE).labels.tolist() == [1, 2, 3, 4]


def test_import_of_a_single_file(on_disk: Path) -> None:
    """One file is enough if it is one of the wanted, whatever its name."""
    renamed = on_disk / "whatever.bin"
    shutil.copy(on_disk / "Small" / "raw" / "train-labels-idx1-ubyte.gz", renamed)
    assert [item.file.name for item in fetch("small", source=renamed).files] == ["train-labels"]


def test_import_of_an_incomplete_folder(on_disk: Path) -> None:
    """What is missing is named, what was found is kept."""
    (on_disk / "Small" / "raw" / "test-images-idx3-ubyte").unlink()
    with pytest.raises(UnavailableError, match="does not hold test-images of small"):
        fetch("small", source=on_disk)
    assert cache.read_entry(SMALL, SMALL.files["test"]["labels"]).state is State.VERIFIED


def test_import_of_something_else(tmp_path: Path) -> None:
    """What cannot be used is named with the reason."""
    (tmp_path / "train-labels.gz").write_bytes(gzip.compress(b"other"))
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UnavailableError, match=r"(?s)train-labels.gz: not a published file \(.*d9298a10"):
        fetch("small", source=tmp_path)
    with pytest.raises(UnavailableError, match="no file in it has a name like"):
        fetch("small", source=empty)
    with pytest.raises(UnavailableError, match="does not exist"):
        fetch("small", source=tmp_path / "nowhere")


def test_import_says_which_dataset_a_file_is_of(realdata: Path) -> None:
    """Files of another dataset are recognised by their content."""
    with pytest.raises(UnavailableError, match="train-labels-idx1-ubyte of mnist"):
        fetch("fashion-mnist", source=realdata / "mnist")


def test_inflate_is_bounded() -> None:
    """Nothing beyond the limit is inflated, whether the file is plain or gzipped once or twice."""
    for content in (bytes(1000), gzip.compress(bytes(1000)), gzip.compress(gzip.compress(bytes(1000)))):
        assert inflate(content, 1000) == bytes(1000)
    for content in (bytes(1001), gzip.compress(bytes(10**7)), gzip.compress(gzip.compress(bytes(1001)))):
        with pytest.raises(IntegrityError, match="longer than the 1,000 bytes expected"):
            inflate(content, 1000)
    with pytest.raises(IntegrityError, match="longer than 1,000 bytes of content can make it"):
        inflate(bytes(10**5), 1000)


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
    """One changed byte is noticed."""
    verify(CONTENT, LABELS, LABELS.sha256)
    with pytest.raises(IntegrityError, match="found SHA-256"):
        verify(CONTENT[:-1] + b"\7", LABELS, LABELS.sha256)


@pytest.fixture(params=["like kmnist", "like qmnist"])
def bad_labels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set in the cache, with digests recorded beside its files, whose test labels 3 and 7 are not in 0..9.

    Returns the message that names the file.
    """
    labels = np.arange(10, dtype=np.uint8)
    labels[[3, 7]] = 11, 255
    if request.param == "like qmnist":
        labels = np.tile(labels.astype(np.int8).astype(np.int32)[:, np.newaxis], 8)
    arrays: dict[tuple[str, catalog.Kind], np.ndarray] = {
        ("train", "images"): np.zeros((10, 28, 28), np.uint8),
        ("train", "labels"): np.arange(10, dtype=np.uint8),
        ("test", "images"): np.zeros((10, 28, 28), np.uint8),
        ("test", "labels"): labels,
    }
    files: dict[str, dict[catalog.Kind, catalog.File]] = {"train": {}, "test": {}}
    for (split, kind), array in arrays.items():
        file = catalog.File(f"{split}-{kind}", array.shape, None, "0" * 64, array.itemsize)
        files[split][kind] = file
        cache.store(cache.folder() / "odd" / file.name, file, idx.encode(array))
    odd = SMALL._replace(name="odd", files=files, class_names=tuple("0123456789"))
    monkeypatch.setitem(catalog.DATASETS, "odd", odd)
    path = cache.folder() / "odd" / "test-labels"
    return f"{path}: label 11 in row 3 is outside 0..9 (2 in all); `mnistloss fetch odd --force` downloads it again"


def test_labels_outside_the_classes(bad_labels: str, cli: Cli, tmp_path: Path) -> None:
    """A label outside 0..K-1 is refused, naming the file, by every function and command that reads labels."""
    y = np.full((10, 10), 0.1)
    for read in (
        lambda: load_mnist(dataset="odd"),
        lambda: load_split("odd", "test"),
        lambda: evaluate(y, dataset="odd", split="test"),
        lambda: evaluate(y[:2], dataset="odd", split="test", indices=[0, 1]),
    ):
        with pytest.raises(IdxError, match=re.escape(bad_labels)):
            read()
    assert evaluate(y, dataset="odd", split="train").n == 10
    np.save(tmp_path / "y.npy", y)
    for arguments in (
        ("eval", tmp_path / "y.npy", "--dataset", "odd", "--split", "test"),
        ("sample", "--dataset", "odd", "--split", "test"),
        ("sample", "--dataset", "odd", "--split", "test", "--stratified", "--one-hot"),
        ("fetch", "odd", "--split", "test", "--export", tmp_path / "odd.npz"),
    ):
        result = cli(*arguments)
        assert (result.exit_code, result.stderr) == (1, f"Error: {bad_labels}\n")


@pytest.mark.usefixtures("bad_labels")
def test_labels_outside_the_classes_give_no_hint() -> None:
    """Such a label file is not used to guess which data set the predictions are for; a valid one is."""
    for split, names in (("train", ["odd"]), ("test", [])):
        targets = Targets(np.zeros(10, np.uint8), 10, "mnist-5k", split, "")
        assert list(TargetLoader(DataOptions(download=False)).labels_elsewhere(targets)) == names


@pytest.mark.parametrize("dataset", catalog.DATASETS.values(), ids=lambda d: d.name)
def test_catalog(dataset: catalog.Dataset) -> None:
    """Every dataset has four pinned files, classes, a citation, and addresses that end in a slash."""
    assert len(dataset.select()) == 4
    digests = {file.sha256 or file.archive_sha256 for file in dataset.select()}
    assert len(digests) == 4
    assert all(len(bytes.fromhex(digest or "")) == 32 for digest in digests)
    assert dataset.classes in (5, 10)
    assert all(mirror.endswith("/") for mirror in dataset.mirrors)
    assert dataset.bibtex.startswith("@") or dataset is SMALL


def test_unknown_names() -> None:
    """An unknown dataset or split is answered with the known ones."""
    with pytest.raises(ArgumentError, match="no dataset is named 'emnist'; the datasets are mnist, fashion-mnist"):
        load_mnist(dataset="emnist")
    with pytest.raises(ArgumentError, match="the splits are train and test"):
        load_split("mnist-5k", "validation")


def test_fetch_command(cli: Cli, mirror: Mirror) -> None:
    """`fetch` prints the files, their sizes, that they are verified, and what they hold."""
    put_up(mirror)
    result = cli("fetch", "small", "--mirror", mirror.url, "--split", "test")
    assert result.exit_code == 0
    assert re.search(r"test-labels +12 +\(4,\) +uint8 +SHA-256 +mirror", result.stdout)
    assert f"{cache.folder() / 'small'}" in result.stdout
    assert "train" not in result.stdout


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ((), [((4, 784), np.float32), ((4,), np.uint8)]),
        (("--one-hot", "--raw", "--images"), [((4, 1, 28, 28), np.uint8), ((4, 5), np.float32)]),
    ],
)
@pytest.mark.parametrize("name", ["out.npz", "out.pkl", "out"])
def test_export(
    cli: Cli, on_disk: Path, tmp_path: Path, name: str, options: tuple[str, ...], shapes: list[object]
) -> None:
    """--export writes the arrays as .npz, .pkl or a folder of .npy, in the form asked for."""
    out = tmp_path / name
    result = cli("fetch", "small", "--from", on_disk, "--split", "train", "--export", out, *options)
    assert result.exit_code == 0, result.output
    if out.suffix == ".pkl":
        assert out.read_bytes()[:2] == b"\x80\x05"
        arrays = pickle.loads(out.read_bytes())
    elif out.suffix == ".npz":
        arrays = dict(np.load(out))
    else:
        arrays = {path.stem: np.load(path) for path in out.iterdir()}
    assert [(arrays[key].shape, arrays[key].dtype) for key in ("x_train", "t_train")] == shapes
    assert set(arrays) == {"x_train", "t_train"}


def test_fetch_usage(cli: Cli, tmp_path: Path) -> None:
    """Options that contradict each other are usage errors; an unwritable export is refused whole."""
    assert cli("fetch", "mnist", "mnist-5k", "--export", tmp_path / "x.npz").exit_code == 2
    assert cli("fetch", "--from", tmp_path, "--force").exit_code == 2
    for name in ("x.csv", "missing/x.npz"):
        assert cli("fetch", "mnist-5k", "--export", tmp_path / name).exit_code == 2
    (tmp_path / "x.npz").mkdir()
    result = cli("fetch", "mnist-5k", "--export", tmp_path / "x.npz")
    assert (result.exit_code, f"cannot write {tmp_path}/x.npz" in result.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
