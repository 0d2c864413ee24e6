"""Imports from this machine: files of any name and container, recognised by content, read within bounds."""

import gzip
import io
import lzma
import os
import pickle
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
from hypothesis import given
from hypothesis import strategies as st
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
        ("mnist.csv", b",".join([b"300"] * 785), "\n  .*300"),
        ("mnist.csv", b",".join([b"3"] * 785) + b"\n3\n", "\n  .*columns"),
        ("mnist.csv", b"", "the file is empty"),
        ("mnist.zip", b"PK\x03\x04rubbish", "\n  File is not a zip file"),
        ("mnist.tar.gz", b"\x1f\x8brubbish", "\n  "),
        ("mnist.npz", b"rubbish", "\n  File is not a zip file"),
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
        "more than 1,000 members",
        "line 1 is longer",
        "a header of the archive claims 200,000,000 bytes",
        "the file is longer",
    ):
        assert reason in str(caught.value)
    assert time.monotonic() - start < 5
    assert peak < 30_000_000


def make_tar_xz(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"{'long/' * 30}{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def as_csv(label: int) -> dict[str, bytes]:
    """The two splits of mnist-5k as CSV, with the label in the column before this one."""
    files = {}
    for split in catalog.SPLITS:
        examples = load_split("mnist-5k", split)
        table = np.insert(examples.images.reshape(len(examples), -1), label, examples.labels, axis=1)
        np.savetxt(stream := io.BytesIO(), table, "%d", delimiter=",")
        files[f"mnist_{split}.csv"] = stream.getvalue()
    return files


def as_npz(shape: tuple[int, ...], dtype: str) -> dict[str, bytes]:
    """Both splits in one .npz, with images of this shape and labels of this dtype."""
    arrays = {}
    for split in catalog.SPLITS:
        examples = load_split("mnist-5k", split)
        arrays[f"x_{split}"], arrays[f"y_{split}"] = examples.images.reshape(shape), examples.labels.astype(dtype)
    np.savez(stream := io.BytesIO(), **arrays)  # type: ignore[arg-type]  # arrays by name
    return {"mnist.npz": stream.getvalue()}


FORMS: dict[str, Callable[[], dict[str, bytes]]] = {
    "label first": lambda: as_csv(0),
    "label last": lambda: as_csv(784),
    "flat": lambda: as_npz((-1, 784), "int64"),
    "channels last": lambda: as_npz((-1, 28, 28, 1), "u2"),
}


@pytest.mark.parametrize(
    ("form", "container"),
    [
        ("label first", "mnist.zip"),
        ("label last", "mnist.tar.xz"),
        ("flat", "in"),
        ("flat", "mnist.zip"),
        ("channels last", "mnist.tar.xz"),
    ],
)
def test_import_of_other_forms(form: str, container: str, raw: dict[str, bytes], tmp_path: Path) -> None:
    """CSV and .npz in any form with the published content are taken, from a folder and from archives."""
    source = tmp_path / container
    if container == "mnist.zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in FORMS[form]().items():
                archive.writestr(name, content)
    elif container == "mnist.tar.xz":
        make_tar_xz(source, FORMS[form]())
    else:
        source.mkdir()
        for name, content in FORMS[form]().items():
            (source / name).write_bytes(content)
    assert {item.file.name: item.content for item in fetch("distant", source=source).files} == raw


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mnist.pkl", pickle.dumps({"train_img": 1}), "a pickle, and pickles are never loaded"),
        ("mnist.pkl.gz", gzip.compress(pickle.dumps([1] * 99)), "a pickle, and pickles are never loaded"),
        ("training.pt", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + bytes(99), "a file of torch.save"),
        ("train-00000-of-00001.parquet", b"PAR1" + bytes(99), "a Parquet file"),
        ("train-images-idx3-ubyte.gz", b"\n<!DOCTYPE html>", "an HTML or XML page"),
        ("train-images-idx3-ubyte.gz", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("mnist.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (
            "train.csv",
            b"\n".join(b",".join([b"%d" % (i % 10)] * 785) for i in range(42)),
            "42 examples, .*Kaggle's train",
        ),
    ],
)
@pytest.mark.parametrize("from_folder", [True, False])
def test_files_of_other_kinds_are_named(
    name: str, content: bytes, reason: str, from_folder: bool, tmp_path: Path
) -> None:
    """What no dataset file is is named, and no path is printed twice."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    source = tmp_path / "in" if from_folder else tmp_path / "in" / name
    with pytest.raises(UnavailableError, match=f"(?s)does not hold .*{reason}") as caught:
        fetch("distant", source=source)
    assert str(caught.value).count(str(tmp_path)) == 1


def test_a_split_that_is_complete_is_named(tmp_path: Path) -> None:
    """Where only the test half is there, the way on is to ask for it alone."""
    (tmp_path / "mnist_test.csv").write_bytes(as_csv(0)["mnist_test.csv"])
    with pytest.raises(UnavailableError, match=r'the test split is there .*: for it alone add split="test"'):
        fetch("distant", source=tmp_path)
    assert len(fetch("distant", splits=["test"], source=tmp_path).files) == 2


def tar_header(kind: bytes, size: int, name: str = "train-images") -> bytes:
    """A header of a member that claims this size."""
    header = tarfile.TarInfo(name)
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT)


def pax_member(record: str) -> bytes:
    """A pax header of one record."""
    content = f"{len(record) + 4} {record}\n".encode()
    return tar_header(tarfile.XHDTYPE, len(content)) + content.ljust(512, b"\0")


def overlapping_zip(members: int, size: int) -> bytes:
    """A zip archive whose many members are all the same deflated bytes."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train-images-00000", bytes(size))
    content = stream.getvalue()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entries = b"".join(
        content[start:end].replace(b"train-images-00000", b"train-images-%05d" % i) for i in range(members)
    )
    count = members.to_bytes(2, "little")
    sizes = len(entries).to_bytes(4, "little") + start.to_bytes(4, "little")
    return content[:start] + entries + b"PK\5\6" + bytes(4) + count * 2 + sizes + bytes(2)


def many_members(members: int, content: bytes) -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"train-images-{number}", content)
    return stream.getvalue()


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "member of 2**60 bytes": ("mnist.tar", lambda: tar_header(tarfile.REGTYPE, 2**60)),
    "other member of 2**60 bytes": ("mnist.tar", lambda: tar_header(tarfile.REGTYPE, 2**60, "readme")),
    "negative member": ("mnist.tar", lambda: tar_header(tarfile.REGTYPE, -512)),
    "pax size of 2**60 bytes": (
        "mnist.tar",
        lambda: pax_member(f"size={2**60}") + tar_header(tarfile.REGTYPE, 0, "readme") + bytes(1024),
    ),
    "sparse member": ("mnist.tar", lambda: tar_header(tarfile.GNUTYPE_SPARSE, 10**6)),
    "pax headers of digits": (
        "mnist.tar",
        lambda: (tar_header(tarfile.XHDTYPE, 1024) + b"9" * 1024 + tar_header(tarfile.REGTYPE, 0, "a")) * 400,
    ),
    "chain of pax headers": ("mnist.tar", lambda: pax_member("path=a") * 900),
    "pax header of 2 MB": (
        "mnist.tar.gz",
        lambda: gzip.compress(tar_header(tarfile.XHDTYPE, 2_000_000) + b"9" * 2_000_000 + bytes(1024)),
    ),
    "pax header of 60 kB": (
        "mnist.tar.gz",
        lambda: gzip.compress(tar_header(tarfile.XHDTYPE, 60_928) + b"9" * 60_928 + bytes(1024)),
    ),
    "global header of zeros": (
        "mnist.tar.gz",
        lambda: gzip.compress(tar_header(tarfile.XGLTYPE, 10**9) + bytes(60_000_000)),
    ),
    "empty members": ("mnist.tar.gz", lambda: gzip.compress(tar_header(tarfile.REGTYPE, 0, "a") * 50_000)),
    "xz of zeros": (
        "mnist.tar.xz",
        lambda: lzma.compress(tar_header(tarfile.REGTYPE, 10**9) + bytes(60_000_000), preset=0),
    ),
    "overlapping members": ("mnist.zip", lambda: overlapping_zip(3000, 3_000_000)),
    "200 members": ("mnist.zip", lambda: many_members(200, bytes(2_000_000))),
    "200 gzipped members": ("mnist.zip", lambda: many_members(200, gzip.compress(bytes(3_000_000)))),
    "200 members that burst": ("mnist.zip", lambda: many_members(200, gzip.compress(bytes(30_000_000)))),
    "one line of CSV": ("mnist.csv", lambda: b"1" + b",1" * 784 + b"\n" + b"1," * 20_000_000),
    "long heading of CSV": ("mnist.csv", lambda: b"a," * 20_000_000),
    "gzipped npz": ("mnist.zip", lambda: many_members(3, b"PK\3\4" + bytes(99))),
}


BEYOND_BUDGET = {
    "member of 2**60 bytes",
    "other member of 2**60 bytes",
    "pax size of 2**60 bytes",
    "negative member",
    "xz of zeros",
    "200 members",
    "200 gzipped members",
    "200 members that burst",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives(case: str, tmp_path: Path) -> None:
    """Archives that claim, repeat or burst are left after as many bytes as a dataset can have."""
    name, make = HOSTILE[case]
    (tmp_path / name).write_bytes(make())
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises(UnavailableError, match="does not hold") as caught:
        fetch("distant", source=tmp_path / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ("far more bytes" in str(caught.value)) == (case in BEYOND_BUDGET)
    assert peak < 40_000_000
    assert time.monotonic() - began < 10


@given(content=st.binary(max_size=600), suffix=st.sampled_from(["zip", "tar", "tar.gz", "tar.xz", "npz", "csv"]))
def test_any_bytes_are_refused_in_words(content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No bytes under any suffix give anything but an UnavailableError."""
    path = tmp_path_factory.mktemp("in") / f"mnist.{suffix}"
    for start in (b"", tar_header(tarfile.XHDTYPE, len(content)), b"PK\3\4", b"\x1f\x8b\x08", b"\xfd7zXZ\0"):
        path.write_bytes(start + content)
        with pytest.raises(UnavailableError, match="does not hold"):
            fetch("mnist", source=path, cache_options=CacheOptions(path.parent / "cache"))


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
