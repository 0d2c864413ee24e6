""".npy files: what NumPy writes is read; what lies, is cut off or is something else is refused, fast and small."""

import contextlib
import gzip
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnistloss.arrays import npy
from mnistloss.errors import InputError

arrays = st.sampled_from(["f2", "<f4", ">f8", "u1", ">i8", "?", "longdouble"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=5))
)


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def header(text: str, version: int = 1) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(data)) + data


def honest(shape: str = "(2, 3)", descr: str = "'<f8'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


@hypothesis.given(array=arrays, fortran=st.booleans(), version=st.sampled_from([(1, 0), (2, 0)]))
def test_reads_what_numpy_writes(array: np.ndarray, fortran: bool, version: tuple[int, int]) -> None:
    """Every real dtype, byte order and memory order comes back, from a file and from a stream."""
    array = np.asfortranarray(array) if fortran else array
    content = saved(array, version)
    with npy.open_npy(io.BytesIO(content)) as found:
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(found.all(), array)


@hypothesis.given(rows=st.integers(1, 20), start=st.integers(0, 19), stop=st.integers(1, 20), fortran=st.booleans())
def test_rows(tmp_path_factory: pytest.TempPathFactory, rows: int, start: int, stop: int, fortran: bool) -> None:
    """Any rows can be read, whatever the order in the file."""
    start, stop = min(start, rows - 1), min(max(stop, start + 1), rows)
    array = np.arange(3.0 * rows).reshape(rows, 3)
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    with npy.open_npy(path) as found:
        np.testing.assert_array_equal(found.rows(slice(0, rows)), array)
        np.testing.assert_array_equal(found.rows(slice(start, stop)), array[start:stop])


class Evil:
    """Unpickling this would leave a trace."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


LIES = {
    "empty": (b"", "the file is empty"),
    "magic only": (b"\x93NUMPY", "ends within its .npy header"),
    "no header": (b"\x93NUMPY\x01\x00", "ends within its .npy header"),
    "header cut off": (header(honest())[:40], "ends within its .npy header"),
    "version 9": (b"\x93NUMPY\x09\x00" + bytes(100), "version 9.0; expected 1.0, 2.0 or 3.0"),
    "huge header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100), "header claims 4,294,967,295 bytes"),
    "truncated": (saved(np.zeros((4, 3)))[:-1], "truncated: shape .* has 96 bytes, found 95"),
    "trailing": (saved(np.zeros((4, 3))) + b"\0", "followed by other bytes: shape .* has 96 bytes, found 97"),
    "lying shape": (header(honest("(1000000000, 1000000)")) + bytes(48), "truncated: .*, found 48"),
    "overflowing shape": (header(honest("(9223372036854775808,)")), "has an impossible shape or order"),
    "negative shape": (header(honest("(-2, -3)")) + bytes(48), "has an impossible shape or order"),
    "shape of thousands of digits": (
        header(honest(f"(0x{'f' * 8000}, 10)")),
        "has an impossible shape or order",
    ),
    "shape of bools": (header(honest("(True, 3)")) + bytes(24), "has an impossible shape or order"),
    "shape no tuple": (header(honest("6")) + bytes(48), "has an impossible shape or order"),
    "fortran no bool": (header(honest(fortran="7")) + bytes(48), "has an impossible shape or order"),
    "no dict": (header("[1]\n"), "header cannot be read"),
    "no Python": (header("{'descr': \n"), "header cannot be read"),
    "nested": (header("(" * 9000), "header cannot be read"),
    "missing key": (header("{'descr': '<f8'}\n"), "header cannot be read"),
    "call": (header("{'descr': __import__('os').mkdir('x')}\n"), "header cannot be read"),
    "no dtype": (header(honest(descr="'nonsense'")), "header cannot be read"),
    "dtype of int": (header(honest(descr="7")), "header cannot be read"),
    "objects": (header(honest("(1,)", "'|O'")) + pickle.dumps(Evil()), "holds Python objects"),
    "structured": (saved(np.zeros(2, [("a", "f4"), ("b", "i4")])), "holds structured or raw records"),
    "strings": (saved(np.array(["a", "b"])), "holds strings"),
    "complex": (saved(np.zeros((2, 2), complex)), "holds complex numbers"),
    "dates": (saved(np.zeros(2, "M8[s]")), "holds dates"),
    "gzip": (gzip.compress(saved(np.zeros(3))), "gzip data that holds a .npy file .decompress it: gzip -d FILE"),
    "html": (b"<!DOCTYPE html><html>404</html>", "an HTML or XML page"),
    "html after a blank line": (b"\n  <html>", "an HTML or XML page"),
    "zip": (b"PK\x03\x04" + bytes(30), "a zip archive|not a readable .npz file"),
    "pickle": (pickle.dumps(Evil(), protocol=4), "pickles are never loaded"),
    "text": (b"0.1,0.2,0.7\n", "no .npy file"),
}


@pytest.mark.parametrize("way", ["file", "stream"])
@pytest.mark.parametrize(("content", "message"), LIES.values(), ids=LIES)
def test_refused(content: bytes, message: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused with its reason, in well under a second, without a large allocation and without unpickling."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    started = time.perf_counter()
    tracemalloc.start()
    with (
        pytest.raises(InputError, match=message),
        npy.open_npy(path if way == "file" else io.BytesIO(content)) as found,
    ):
        found.rows(slice(0, 0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    assert time.perf_counter() - started < 1
    assert not (tmp_path / "unpickled").exists()


def test_headers_of_other_writers() -> None:
    """Long integers of Python 2 are read as NumPy reads them, and field names of version 3 as UTF-8."""
    with npy.open_npy(io.BytesIO(header(honest("(2L, 3L)")) + bytes(48))) as found:
        assert found.shape == (2, 3)
    records = saved(np.zeros(2, [("확률", "f4")]), (3, 0))
    with pytest.raises(InputError, match="확률"), npy.open_npy(io.BytesIO(records)):
        pass
    with pytest.raises(InputError, match="header cannot be read"), npy.open_npy(io.BytesIO(header("\udcff", 3))):
        pass


@hypothesis.given(text=st.text(max_size=60) | st.sampled_from([honest(), honest("(2L,)"), honest(descr="'V2'")]))
def test_any_header_is_read_or_refused(text: str) -> None:
    """No text in a header gives anything but an array or an InputError."""
    with contextlib.suppress(InputError), npy.open_npy(io.BytesIO(header(text, 3) + bytes(48))) as found:
        assert all(size < 2**63 for size in found.shape)


def test_not_regular_files(tmp_path: Path) -> None:
    """A folder, a pipe, a device and a missing file are refused without waiting."""
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path, "not a regular file but a folder"),
        (tmp_path / "pipe", "a pipe or a device; to read from a pipe, name it -"),
        ("/dev/zero", "a pipe or a device"),
        (tmp_path / "missing.npy", "missing.npy: No such file or directory"),
        ("a\0b", "embedded null"),
    ):
        with pytest.raises(InputError, match=message), npy.open_npy(path):
            pass


def test_file_that_shrinks(tmp_path: Path) -> None:
    """A file that becomes shorter while it is read is an error, not a crash."""
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((100, 3)))

    def shrink_while_reading() -> None:
        with npy.open_npy(path) as found:
            os.truncate(path, 500)
            found.rows(slice(0, 100))

    with pytest.raises(InputError, match="was changed while it was read"):
        shrink_while_reading()


def test_a_refusal_of_a_file_that_changes_says_that(tmp_path: Path) -> None:
    """What looks wrong in a file that is being written is not what is wrong with it."""
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((100, 3)))

    def refuse_while_it_is_written() -> None:
        with npy.open_npy(path):
            os.utime(path, ns=(1, 1))
            raise InputError("the sum is not 1")

    with pytest.raises(InputError, match="was changed while it was read"):
        refuse_while_it_is_written()


def test_streams_of_text_or_closed() -> None:
    """They are refused in words, and so are streams that do not wait, and those that fail."""
    closed, reading = io.BytesIO(), "expected bytes, of a binary stream that waits"
    closed.close()

    class Impatient(io.RawIOBase):
        def read(self, size: int = -1) -> None:
            return None

    class Failing(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    for stream, message in (
        (io.StringIO("text"), f"reading gives str; {reading}"),
        (Impatient(), f"reading gives NoneType; {reading}"),
        (closed, "cannot be read .I/O operation on closed file"),
        (Failing(), "cannot be read .*Input/output error"),
    ):
        with pytest.raises(InputError, match=message), npy.open_npy(stream):  # type: ignore[arg-type]  # the refusal is the test
            pass


def test_names_are_safe_to_print(tmp_path: Path) -> None:
    """Escape characters of a file name do not reach the terminal."""
    with pytest.raises(InputError) as caught, npy.open_npy(tmp_path / "a\x1b[31m.npy"):
        pass
    assert "\x1b" not in str(caught.value)
    assert "a\\x1b[31m.npy" in str(caught.value)


def test_members_of_npz(tmp_path: Path) -> None:
    """Arrays of a .npz are read with the same distrust."""
    path = tmp_path / "batch.npz"
    np.savez(path, indices=np.arange(3), split=np.array("train"))
    np.testing.assert_array_equal(npy.load_member(path, "indices", most=9), [0, 1, 2])
    assert str(npy.load_member(path, "split", kinds="U", most=1)) == "train"
    assert npy.load_member(path, "nothing", most=9) is None
    with pytest.raises(InputError, match=r"batch.npz\[indices\]: 3 elements; expected 2 at the most"):
        npy.load_member(path, "indices", most=2)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("indices.npy", LIES["objects"][0])
    with pytest.raises(InputError, match=r"batch.npz\[indices\]: dtype object holds Python objects"):
        npy.load_member(path, "indices", most=9)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"not a readable \.npz file"):
        npy.load_member(path, "indices", most=9)


def test_empty_arrays(tmp_path: Path) -> None:
    """An array without elements is refused where all of it is wanted, whatever its other sizes claim."""
    for shape in ("(0,)", "(1000, 0)", "(0, 9000000000000000000)"):
        for fortran in ("True", "False"):
            (tmp_path / "x.npy").write_bytes(header(honest(shape, fortran=fortran)))
            with pytest.raises(InputError, match="the array is empty"):
                npy.given(tmp_path / "x.npy", "targets")


def test_stream_is_not_read_before_rows_are() -> None:
    """Of a stream only the header is read until rows are wanted, so that a wrong shape costs nothing."""
    stream = io.BytesIO(saved(np.zeros((1000, 10))))
    with npy.open_npy(stream) as found:
        assert found.shape == (1000, 10)
        assert stream.tell() == 128
        found.rows(slice(0, 1))
        assert stream.tell() == 128 + 80_000


def test_broken_members(tmp_path: Path) -> None:
    """A member whose compressed bytes are broken is refused."""
    path = tmp_path / "batch.npz"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("indices.npy", saved(np.arange(5000)))
        content = bytearray(path.read_bytes())
        content[100:1000] = bytes(900)
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"batch\.npz"):
            npy.load_member(path, "indices", most=5000)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """What was read first and what was read last would be of different files."""
    path = tmp_path / "y.npy"
    np.save(path, np.zeros((3, 2)))

    def change_while_reading() -> None:
        with npy.open_npy(path) as found:
            found.rows(slice(0, 1))
            os.utime(path, ns=(0, 0))

    with pytest.raises(InputError, match=r"y\.npy: the file was changed while it was read"):
        change_while_reading()
