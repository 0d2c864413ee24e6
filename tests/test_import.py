"""Imports from this machine: files of any name and container, recognised by content, read within bounds."""

import gzip
import io
import os
import shutil
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from small_datasets import OFFLINE, SMALL, SMALL_ARRAYS

from mnistloss import load_mnist
from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.cache import State
from mnistloss.datasets.fetch import fetch
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CacheOptions
from mnistloss.errors import UnavailableError

pytestmark = pytest.mark.usefixtures("small_datasets")


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """The files of SMALL in sub-folders, as other tools keep them."""
    folder = tmp_path / "root" / "Small" / "raw"
    folder.mkdir(parents=True)
    for split, arrays in SMALL_ARRAYS.items():
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx.encode(arrays["images"]))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx.encode(arrays["labels"]), 1))
    return tmp_path / "root"


def test_import_finds_files_in_sub_folders(on_disk: Path) -> None:
    """A folder is searched with its sub-folders, for gzipped and raw files."""
    assert {item.file.name for item in fetch("small", source=on_disk).files} == {file.name for file in SMALL.select()}
    assert load_split("small", "test", OFFLINE).labels.tolist() == [1, 2, 3, 4]


def test_import_of_a_single_file(on_disk: Path) -> None:
    """A single file is imported if it is a file of the dataset, whatever its name."""
    renamed = on_disk / "whatever.bin"
    shutil.copy(on_disk / "Small" / "raw" / "train-labels-idx1-ubyte.gz", renamed)
    assert [item.file.name for item in fetch("small", source=renamed).files] == ["train-labels"]


def test_import_of_an_incomplete_folder(on_disk: Path) -> None:
    """Missing files are named, the others are imported."""
    (on_disk / "Small" / "raw" / "test-images-idx3-ubyte").unlink()
    with pytest.raises(UnavailableError, match="does not hold test-images of small"):
        fetch("small", source=on_disk)
    assert cache.read_entry(SMALL, SMALL.files["test"]["labels"]).state is State.VERIFIED


def test_import_of_something_else(tmp_path: Path) -> None:
    """A file that cannot be used is named with the reason; a file of another dataset as such."""
    (tmp_path / "train-labels.gz").write_bytes(gzip.compress(b"other"))
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UnavailableError, match=r"(?s)train-labels.gz: not a published file \(.*d9298a10"):
        fetch("small", source=tmp_path)
    with pytest.raises(UnavailableError, match="no file in it has a name like"):
        fetch("small", source=empty)
    with pytest.raises(UnavailableError, match=r"t10k-labels.*gz: t10k-labels-idx1-ubyte of mnist-5k"):
        fetch("small", source=cache.embedded_folder(catalog.MNIST_5K))
    with pytest.raises(UnavailableError, match="does not exist"):
        fetch("small", source=tmp_path / "nowhere")


@pytest.fixture
def raw() -> dict[str, bytes]:
    """The four files of mnist-5k by name, decompressed."""
    folder = cache.embedded_folder(catalog.MNIST_5K)
    return {file.name: gzip.decompress((folder / file.archive).read_bytes()) for file in catalog.MNIST_5K.select()}


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
    """A .zip, a .tar.gz and the .npz of Keras give the published files; nothing else is written."""
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / name, raw)
    before = set(tmp_path.rglob("*"))
    for source in (tmp_path / "in" / name, tmp_path / "in"):
        files = fetch("distant", source=source).files
        assert {item.file.name: item.content for item in files} == raw
    assert {path.name for path in set(tmp_path.rglob("*")) - before if path.is_file()} == set(raw)


def test_unusable_files_are_named(raw: dict[str, bytes], tmp_path: Path, cli: Cli) -> None:
    """Files of a container that cannot be used are named with the reason."""
    make_zip(tmp_path / "mnist.zip", raw)
    output = cli("fetch", "distant", "--from", tmp_path / "mnist.zip").stdout
    assert "not used:" in output
    assert "[../../train-images-escape]: not a published file" in output


@pytest.mark.parametrize("heading", [True, False])
def test_import_of_csv(heading: bool, tmp_path: Path, raw: dict[str, bytes]) -> None:
    """A CSV of Kaggle, with the label first, gives the images and labels of a split."""
    split = load_split("mnist-5k", "test")
    table = np.column_stack([split.labels, split.images.reshape(1000, -1)])
    columns = ",".join(["label", *(f"pixel{i}" for i in range(784))]) if heading else ""
    path = tmp_path / "mnist_test.csv"
    np.savetxt(path, table, "%d", delimiter=",", header=columns, comments="")
    files = fetch("distant", splits=["test"], source=path).files
    assert {item.content for item in files} == {raw[item.file.name] for item in files}
    assert len(files) == 2


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
    """A broken file or container is named with the reason."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnavailableError, match=f"(?s)does not hold .*{reason}"):
        fetch("distant", source=tmp_path / name)


def test_import_is_bounded(tmp_path: Path) -> None:
    """Files made to cost time or memory are refused at once: many members, long names, a long line, a long file."""
    member = gzip.compress(b"")
    (tmp_path / "train-images-a.gz").write_bytes(gzip.compress(member * 39_000))
    with zipfile.ZipFile(tmp_path / "mnist-b.npz", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}.npy", b"")
    (tmp_path / "mnist-c.csv").write_bytes(b"1" + b",1" * 20_000_000)
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 200_000_000
    (tmp_path / "mnist-d.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(200_000_000), 1))
    (tmp_path / "train-images-e").touch()
    os.truncate(tmp_path / "train-images-e", 1_000_000_000)
    start = time.monotonic()
    tracemalloc.start()
    with pytest.raises(UnavailableError) as caught:
        fetch("distant", splits=["test"], source=tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for reason in (
        "more than 5,000 gzip members",
        "3,000 arrays",
        "columns; expected",
        "far more than the files",
        "the file is longer",
    ):
        assert reason in str(caught.value)
    assert time.monotonic() - start < 5
    assert peak < 30_000_000


def test_import_of_unreadable_files(tmp_path: Path, cli: Cli) -> None:
    """A name that is too long, a link to a folder, an encrypted member and an empty path are refused in words."""
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


def test_long_lists_are_cut(tmp_path: Path) -> None:
    """Of many unusable files the first are named and the others counted."""
    for number in range(30):
        (tmp_path / f"train-images-{number:02d}").write_bytes(b"x")
    with pytest.raises(UnavailableError, match="and 20 more that could not be used"):
        fetch("distant", source=tmp_path)


def test_import_of_debian_fashion(cli: Cli) -> None:
    """Debian's package of Fashion-MNIST is imported, if it is installed."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    assert cli("fetch", "fashion-mnist", "--from", folder).exit_code == 0
    test = load_split("fashion-mnist", "test", CacheOptions(download=False))
    assert test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert test.images.sum(dtype=np.int64) == 573469082
