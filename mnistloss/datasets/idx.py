"""IDX, the format of the MNIST files: bytes <-> ndarray, without I/O.

Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian uint32, then the
elements in row order, big-endian. Source: Y. LeCun's page on the MNIST database.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.errors import IdxError

TYPE_CODES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name): code for code, name in TYPE_CODES.items()}


def decode(content: bytes | memoryview) -> NDArray[Any]:
    """Return the array in the bytes of an IDX file: a view of them, writable if they are.

    A wrong magic number, type code or length raises IdxError.
    """
    if len(content) < 4 or bytes(content[:2]) != b"\0\0":
        raise IdxError(f"not an IDX file: it starts with {bytes(content[:4])!r} instead of two zero bytes")
    code, rank = content[2], content[3]
    if code not in TYPE_CODES:
        codes = ", ".join(f"0x{c:02x}" for c in TYPE_CODES)
        raise IdxError(f"unknown IDX type code 0x{code:02x}; the format has {codes}")
    start = 4 + 4 * rank
    if len(content) < start:
        raise IdxError(f"the IDX header ends early: {rank} dimensions need {start} bytes, found {len(content)}")
    shape = struct.unpack(f">{rank}I", content[4:start])
    dtype = np.dtype(TYPE_CODES[code])
    size = start + math.prod(shape) * dtype.itemsize
    if len(content) != size:
        raise IdxError(f"an IDX file of shape {shape} and type {dtype.name} has {size} bytes, found {len(content)}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def encode(array: NDArray[Any]) -> bytes:
    """Return the bytes of an IDX file of this array; a dtype or shape that the format lacks raises IdxError."""
    big_endian = array.dtype.newbyteorder(">")
    if big_endian not in _CODES or array.ndim > 255 or max(array.shape, default=0) >= 2**32:
        names = ", ".join(np.dtype(name).name for name in TYPE_CODES.values())
        raise IdxError(f"IDX holds {names}, not {array.dtype} of shape {array.shape}")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[big_endian], array.ndim, *array.shape)
    return header + array.astype(big_endian).tobytes()
