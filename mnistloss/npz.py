"""Arrays in .npz archives, read with the same distrust as .npy files."""

from __future__ import annotations

import lzma
import zipfile
import zlib

from mnistloss.arrays import Array
from mnistloss.errors import InputError, shown
from mnistloss.npy import Path, open_npy, opened

BROKEN_ARCHIVE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What reading a broken, encrypted or unknown kind of archive raises."""


def load_member(archive: Path, member: str, kinds: str = "fiub", *, most: int) -> Array | None:
    """One array of a .npz file, of at most `most` elements; None if it has none of that name.

    Raises InputError as `open_npy` does.
    """
    name = f"{shown(archive)}[{member}]"
    with opened(archive) as stream:
        try:
            with zipfile.ZipFile(stream) as zipped:
                if f"{member}.npy" not in zipped.namelist():
                    return None
                with (
                    zipped.open(f"{member}.npy") as inner,
                    open_npy(inner, kinds, name=name, most=most) as npy,  # type: ignore[arg-type]  # it is binary
                ):
                    return npy.all()
        except InputError:
            raise
        except BROKEN_ARCHIVE as error:
            raise InputError(f"{shown(archive)}: not a readable .npz file ({error})") from error
