"""Name the kind of a file by its first bytes and its size, and the line of code that makes a .npy file of it."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

START = 512
"""Bytes at the start of a file that are enough to identify it."""


class FileKind(NamedTuple):
    """What a file is, and how its array becomes a .npy file ("" where it holds none)."""

    what: str
    convert: str = ""


def _saved(expression: str) -> str:
    return f'np.save("preds.npy", {expression})'


_PICKLE = FileKind(
    "a pickle, and pickles are never loaded, because they can run any code",
    "if it is your own: " + _saved('pickle.load(open(FILE, "rb"))'),
)
_TORCH = FileKind(
    "a file of torch.save", _saved('torch.load(FILE, map_location="cpu", weights_only=True).detach().float().numpy()')
)
_ARROW = FileKind("an Arrow or Feather file", _saved("pandas.read_feather(FILE).to_numpy()"))
_R = FileKind("an RDS file of R", 'in R: write.csv(predictions, "preds.csv", row.names = FALSE)')
_PICTURE = FileKind("a picture, which holds no predictions")
_MAGIC = {
    b"\x93NUMPY": FileKind("a .npy file"),
    b"version https://git-lfs": FileKind("a Git LFS pointer, which stands for the file (get the file: git lfs pull)"),
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19": _TORCH,
    b"PAR1": FileKind("a Parquet file", _saved("pandas.read_parquet(FILE).to_numpy()")),
    b"\x89HDF\r\n\x1a\n": FileKind("an HDF5 file", _saved('h5py.File(FILE)["NAME"][...]')),
    b"MATLAB 7.3 MAT-file": FileKind("a MATLAB 7.3 file", _saved('h5py.File(FILE)["NAME"][...].T')),
    b"MATLAB 5.0 MAT-file": FileKind("a MATLAB file", _saved('scipy.io.loadmat(FILE)["NAME"]')),
    b"ARROW1": _ARROW,
    b"FEA1": _ARROW,
    b"\xff\xff\xff\xff": FileKind("an Arrow stream", _saved("pyarrow.ipc.open_stream(FILE).read_pandas().to_numpy()")),
    b"RDX": FileKind("an RData file of R", _R.convert),
    b"X\n\0\0\0": _R,
    b"\xfd7zXZ\0": FileKind("xz data (decompress it: xz -d FILE)"),
    b"BZh": FileKind("bzip2 data (decompress it: bzip2 -d FILE)"),
    b"\x28\xb5\x2f\xfd": FileKind("Zstandard data (decompress it: zstd -d FILE)"),
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
    b"\xff\xfe": FileKind("UTF-16 text (save it as UTF-8)"),
    b"cnumpy": _PICKLE,
    b"ccopy_reg": _PICKLE,
    **{b"\x80" + bytes([protocol]): _PICKLE for protocol in range(2, 6)},
}
_TEXT = {
    b"<": FileKind("an HTML or XML page, such as the error page of a download"),
    b"{": FileKind("JSON", _saved('np.array(json.load(open(FILE))["NAME"])')),
    b"[": FileKind("JSON", _saved("np.array(json.load(open(FILE)))")),
}
_ZIPPED = {
    b"data.pkl": _TORCH,
    b".npy": FileKind("a zip archive of arrays (name it .npz)"),
    b".json": FileKind("a zip archive, perhaps a model of Keras", _saved("model.predict(x_test)")),
    b".xml": FileKind("an Excel file", _saved("pandas.read_excel(FILE).to_numpy()")),
}
_SPLIT_SIZES = (10_000, 60_000, 70_000, 1_000, 4_000)
_CLASSES = 10
_SMALLEST, _LARGEST = 1e-4, 1e6
"""Between these is the largest of the first predictions; classes read as floats are below 1e-6."""


def identify(start: bytes, size: int | None = None) -> FileKind | None:
    """Return what a file is that starts with these bytes (`START` of them are enough) and has this size.

    None where nothing fits; a file that may be read as text has no kind either.
    """
    if not start:
        return FileKind("the file is empty (0 bytes)", "a failed np.save leaves it so: save the predictions again")
    if start.startswith(b"PK\x03\x04"):
        name = start[30 : 30 + int.from_bytes(start[26:28], "little")]
        return next((kind for end, kind in _ZIPPED.items() if name.endswith(end)), FileKind("a zip archive"))
    if start.startswith(b"\x1f\x8b"):
        content = inflated(start)
        inner = identify(content) if content and not content.startswith(b"\x1f\x8b") else None
        holds = f" that holds {inner.what}" if inner else ""
        return FileKind(f"gzip data{holds} (decompress it: gzip -d FILE)", inner.convert if inner else "")
    if start[8:10] == b'{"':
        return FileKind("a safetensors file", _saved('safetensors.numpy.load_file(FILE)["NAME"]'))
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    return _raw(start, size) if b"\0" in start or not start.isascii() else _TEXT.get(start.lstrip()[:1])


def inflated(start: bytes) -> bytes:
    """Return the first bytes of what gzip data holds, or the bytes themselves where they are no gzip data."""
    if not start.startswith(b"\x1f\x8b"):
        return start
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, START)
    except zlib.error:
        return b""


def _raw(start: bytes, size: int | None) -> FileKind | None:
    """Identify numbers without a header, by a size that fits a split of MNIST and plausible first values."""
    rows, lines = [], []
    for dtype in map(np.dtype, ("<f4", "<f8", "<f2", "<i8", "<i4")):
        with np.errstate(invalid="ignore"):
            values = np.frombuffer(start[: len(start) // 8 * 8], dtype).astype(np.float64)
        is_label, largest = dtype.kind == "i", np.abs(values).max(initial=0)
        n, rest = divmod(size or 0, dtype.itemsize if is_label else _CLASSES * dtype.itemsize)
        if n not in _SPLIT_SIZES or rest:
            continue
        read = f"np.fromfile(FILE, np.{dtype.name})"
        if is_label and largest < _CLASSES and values.min(initial=0) == 0:
            rows.append(f"{n:,} {dtype.name} labels")
            lines.append(_saved(read))
        elif not is_label and (largest == 0 or _SMALLEST < largest < _LARGEST):
            rows.append(f"{n:,} x {_CLASSES} {dtype.name}")
            lines.append(_saved(f"{read}.reshape(-1, {_CLASSES})"))
    if not rows:
        return None
    what = f"raw bytes without a header, as tofile and memmap write them: {size:,} bytes are {' or '.join(rows)}"
    return FileKind(what, " or ".join(lines))


def describe(start: bytes, size: int | None = None) -> str:
    """Return what a file is that is no .npy file, and what to type instead."""
    kind = identify(start, size)
    if kind is not None:
        return f"{kind.what}; {kind.convert}" if kind.convert else kind.what
    text = start.isascii() and b"\0" not in start
    named = " (text of numbers is read from a file named .csv or .txt)" if text else ""
    return f"no .npy file: it starts with {start[:8]!r}{named}; save the array with np.save"
