"""Files that are no .npy: each is named as what it is, with the line of code that converts it."""

import gzip
import json
import lzma
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import honest

from mnistloss import evaluate
from mnistloss.arrays.file_kinds import identify
from mnistloss.errors import InputError

TORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
SAFETENSORS = b'\x40\0\0\0\0\0\0\0{"y":{"dtype":"F32","shape":[2,10],"data_offsets":[0,80]}}'


def zipped(name: str) -> bytes:
    """A zip archive with one member of this name."""
    import io

    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


KINDS = {
    "empty": (b"", "0 bytes.*failed np.save"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    "torch": (zipped("archive/data.pkl"), r"torch.save; np.save\(.*torch.load\(FILE"),
    "old torch": (TORCH_MAGIC + bytes(99), r"torch.save; np.save\(.*torch.load\(FILE"),
    "keras": (zipped("metadata.json"), r"Keras; .*model.predict"),
    "excel": (zipped("[Content_Types].xml"), r"Excel file; .*read_excel"),
    "zip": (zipped("readme"), "a zip archive"),
    "safetensors": (SAFETENSORS + bytes(80), r"safetensors file; .*load_file"),
    "parquet": (b"PAR1" + bytes(99), r"Parquet file; .*read_parquet"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), r"HDF5 file; .*h5py.File"),
    "arrow": (b"ARROW1\0\0" + bytes(99), r"Arrow or Feather file; .*read_feather"),
    "pickle": (pickle.dumps({"y": 1}), r"a pickle, and pickles are never loaded.*; .*pickle.load"),
    "old pickle": (pickle.dumps(np.zeros(2), protocol=0), "a pickle"),
    "gzipped pickle": (gzip.compress(pickle.dumps([1] * 99)), "gzip data that holds a pickle"),
    "gzip": (gzip.compress(b"0.1"), r"gzip data \(decompress it: gzip -d FILE\)"),
    "xz": (lzma.compress(b"0.1"), r"xz data \(decompress it: xz -d FILE\)"),
    "html": (b"\n <!DOCTYPE html>", "HTML or XML page"),
    "json": (json.dumps([[0.1, 0.9]]).encode(), r"JSON; .*json.load"),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(99), r"MATLAB file; .*loadmat"),
    "rds": (gzip.compress(b"X\n\0\0\0\3" + bytes(99)), r"RDS file of R.*write.csv"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture"),
    "text": (b"0.1 0.9\n", r"text of numbers is read from a file named \.csv or \.txt"),
    "unknown": (bytes(range(200, 240)), r"no \.npy file: it starts with b'\\xc8"),
}


@pytest.mark.parametrize(("content", "message"), KINDS.values(), ids=KINDS)
def test_files_of_other_programs_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    """The refusal says what the file is and how it is converted."""
    path = tmp_path / "y.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"(?s)y.npy: .*{message}"):
        evaluate(path)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_raw_bytes(dtype: str, tmp_path: Path) -> None:
    """Bytes of tofile are named by their size, and the line that is printed gives the number of the array."""
    probs = honest().probs.astype(dtype)
    path = tmp_path / "y.npy"
    probs.tofile(path)
    line = rf"np\.fromfile\(FILE, np\.{dtype}\)\.reshape\(-1, 10\)"
    with pytest.raises(InputError, match=rf"raw bytes without a header.* are .*1,000 x 10 {dtype}.*{line}"):
        evaluate(path)
    mended = np.fromfile(path, dtype).reshape(-1, 10)
    assert evaluate(mended, dataset="mnist-5k").losses == evaluate(probs, dataset="mnist-5k").losses


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_raw_bytes_of_classes(dtype: str, tmp_path: Path) -> None:
    """Classes that tofile wrote are not called scores, though their size fits scores too."""
    path = tmp_path / "y.npy"
    (np.arange(10_000) % 10).astype(dtype).tofile(path)
    line = rf'np\.save\("preds\.npy", np\.fromfile\(FILE, np\.{dtype}\)\)$'
    with pytest.raises(InputError, match=rf"bytes are 10,000 {dtype} labels; {line}"):
        evaluate(path)


def test_several_arrays_in_one_file(tmp_path: Path) -> None:
    """A file of several np.save is named as such, and read as the message says it gives the number."""
    probs = honest().probs
    with (tmp_path / "y.npy").open("wb") as stream:
        for batch in np.array_split(probs, 4):
            np.save(stream, batch)
    with pytest.raises(InputError, match=r"several arrays in one file.*the first has shape \(250, 10\).*np\.load\(f\)"):
        evaluate(tmp_path / "y.npy")
    with (tmp_path / "y.npy").open("rb") as f:
        mended = np.concatenate([np.load(f) for _ in range(4)])
    assert evaluate(mended, dataset="mnist-5k").losses == evaluate(probs, dataset="mnist-5k").losses


@given(start=st.binary(max_size=600), size=st.none() | st.integers(0, 10**7))
def test_any_bytes_are_identified(start: bytes, size: int | None) -> None:
    """No bytes break it."""
    kind = identify(start, size)
    assert kind is None or kind.what


def test_gzip_within_gzip_is_no_trap() -> None:
    """Only one layer of gzip is looked into."""
    content = b"x"
    for _ in range(5):
        content = gzip.compress(content)
    kind = identify(content)
    assert kind is not None
    assert kind.what.startswith("gzip data (")
