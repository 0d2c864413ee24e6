"""Datasets as arrays, the catalog, and the commands `fetch` and `datasets`."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from mirror import Mirror
from small_datasets import OFFLINE, SMALL, put_up

from mnistloss import evaluate, load_mnist
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import Form, load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import ArgumentError, IdxError
from mnistloss.evaluation.targets import DataOptions, TargetLoader, Targets

pytestmark = pytest.mark.usefixtures("small_datasets")


def test_embedded_digits() -> None:
    """The embedded digits are 400 of each class in train and 100 in test, interleaved."""
    (x_train, t_train), (x_test, t_test) = load_mnist(normalize=False, dataset="mnist-5k")
    assert x_train.shape == (4000, 784)
    assert x_test.shape == (1000, 784)
    np.testing.assert_array_equal(t_train, np.arange(4000) % 10)
    np.testing.assert_array_equal(t_test, np.arange(1000) % 10)


def test_embedded_digits_are_small() -> None:
    """The four embedded files have less than 1 MB."""
    folder = cache.embedded_folder(catalog.MNIST_5K)
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < 1_000_000


def test_normalised_pixels_are_the_byte_over_255() -> None:
    """Pixels equal the course's `astype(np.float32) / 255.0` to the last bit."""
    (raw, _), _ = load_mnist(normalize=False, dataset="mnist-5k")
    (x, _), _ = load_mnist(dataset="mnist-5k")
    np.testing.assert_array_equal(x, raw.astype(np.float32) / 255.0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("one_hot_label", [True, False])
def test_arrays_are_writable(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, normalize: bool, one_hot_label: bool
) -> None:
    """Arrays of embedded, downloaded and cached files may be changed in place; the next call is not affected."""
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
    """Raw arrays from the cache are a view of the bytes that were read; only embedded ones are copied."""
    put_up(mirror)
    fetch("small", cache_options=CacheOptions(mirrors=[mirror.url]))
    split = load_split("small", "train", OFFLINE)
    x, t = split.take(slice(None), Form(normalize=False))
    assert np.shares_memory(x, split.images)
    assert np.shares_memory(t, split.labels)
    embedded = load_split("mnist-5k", "test")
    assert not np.shares_memory(embedded.take(slice(None), Form(normalize=False))[0], embedded.images)


@pytest.fixture(params=["like kmnist", "like qmnist"])
def bad_labels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset in the cache, with digests recorded beside its files, whose test labels 3 and 7 are not in 0..9.

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
    """Such a label file is not used to guess which dataset the predictions are for; a valid one is."""
    for split, names in (("train", ["odd"]), ("test", [])):
        targets = Targets(np.zeros(10, np.uint8), 10, "mnist-5k", split, "")
        places = TargetLoader(DataOptions(download=False)).labels_elsewhere(targets)
        assert [place.dataset for place in places] == ["mnist-5k", *names]


@pytest.mark.parametrize("dataset", catalog.DATASETS.values(), ids=lambda d: d.name)
def test_catalog(dataset: catalog.Dataset) -> None:
    """Every dataset has four files with digests, ten classes, a citation, and addresses that end in a slash."""
    assert len(dataset.select()) == 4
    digests = {file.sha256 or file.archive_sha256 for file in dataset.select()}
    assert len(digests) == 4
    assert all(len(bytes.fromhex(digest or "")) == 32 for digest in digests)
    assert dataset.classes == 10
    assert all(mirror.endswith("/") for mirror in dataset.mirrors)
    assert dataset.bibtex.startswith("@")


def test_unknown_names() -> None:
    """The error for an unknown dataset or split lists the valid names."""
    with pytest.raises(ArgumentError, match="no dataset is named 'emnist'; the datasets are mnist, fashion-mnist"):
        load_mnist(dataset="emnist")
    with pytest.raises(ArgumentError, match="the splits are train and test"):
        load_split("mnist-5k", "validation")


def test_fetch_command(cli: Cli, mirror: Mirror) -> None:
    """`fetch` prints the name, size, shape, dtype, verification and origin of each file, and their folder."""
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
    cli: Cli, mirror: Mirror, tmp_path: Path, name: str, options: tuple[str, ...], shapes: list[object]
) -> None:
    """--export writes the arrays as .npz, .pkl or a folder of .npy, in the form that the options choose."""
    put_up(mirror)
    out = tmp_path / name
    result = cli("fetch", "small", "--mirror", mirror.url, "--split", "train", "--export", out, *options)
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
    """Contradicting options are usage errors; an export that cannot be written leaves nothing behind."""
    assert cli("fetch", "mnist", "mnist-5k", "--export", tmp_path / "x.npz").exit_code == 2
    assert cli("fetch", "--from", tmp_path, "--force").exit_code == 2
    for name in ("x.csv", "missing/x.npz"):
        assert cli("fetch", "mnist-5k", "--export", tmp_path / name).exit_code == 2
    (tmp_path / "x.npz").mkdir()
    result = cli("fetch", "mnist-5k", "--export", tmp_path / "x.npz")
    assert (result.exit_code, f"cannot write {tmp_path}/x.npz" in result.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_datasets_command(cli: Cli) -> None:
    """`datasets` lists the catalog as a table or JSON, and prints citations."""
    output = cli("datasets").stdout
    listed = json.loads(cli("datasets", "--format", "json").stdout)["datasets"]
    for dataset in catalog.DATASETS.values():
        assert dataset.name in output
        assert dataset.title in output
    assert [entry["name"] for entry in listed] == list(catalog.DATASETS)
    assert listed[0]["files"][0]["sha256"] == catalog.MNIST.files["train"]["images"].sha256
    assert "arXiv:1905.10498" in cli("datasets", "--cite", "qmnist").stdout


def test_export_for_the_book(cli: Cli, tmp_path: Path) -> None:
    """The steps of the book's dataset/mnist.py run on the pickle of --layout book, offline."""
    path = tmp_path / "mnist.pkl"
    assert cli("fetch", "mnist-5k", "--export", path, "--layout", "book", "--offline").exit_code == 0
    with path.open("rb") as stream:
        dataset = pickle.load(stream)
    assert list(dataset) == ["train_img", "train_label", "test_img", "test_label"]
    assert (dataset["train_img"].shape, dataset["train_img"].dtype) == ((4000, 784), np.uint8)
    for key in ("train_img", "test_img"):
        dataset[key] = dataset[key].astype(np.float32)
        dataset[key] /= 255.0
    one_hot_rows = np.zeros((dataset["test_label"].size, 10))
    for row, label in zip(one_hot_rows, dataset["test_label"], strict=True):
        row[label] = 1
    (x_train, t_train), (x_test, t_test) = load_mnist(one_hot_label=True, dataset="mnist-5k")
    np.testing.assert_array_equal(dataset["train_img"], x_train)
    np.testing.assert_array_equal(dataset["test_img"].reshape(-1, 1, 28, 28)[:, 0].reshape(-1, 784), x_test)
    np.testing.assert_array_equal(dataset["train_label"], t_train.argmax(axis=1))
    np.testing.assert_array_equal(one_hot_rows, t_test)
    for extra in (("--one-hot",), ("--images",)):
        assert cli("fetch", "mnist-5k", "--export", path, "--layout", "book", *extra).exit_code == 2
    assert cli("fetch", "mnist-5k", "--layout", "book").exit_code == 2
