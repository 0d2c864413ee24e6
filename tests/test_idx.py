"""IDX: encoded arrays decode to the same arrays, and bytes that are not exactly IDX are refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnistloss.datasets import idx
from mnistloss.errors import IdxError

dtypes = st.sampled_from(["u1", "i1", "<i2", ">i4", "f4", ">f8"])
arrays = dtypes.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)


@given(arrays)
def test_round_trip(array: np.ndarray) -> None:
    """Arrays of every dtype of the format, every rank and either byte order decode to the same values."""
    decoded = idx.decode(idx.encode(array))
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype == array.dtype.newbyteorder(">")


@given(arrays, st.data())
def test_any_other_length_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    """Truncated files and trailing bytes are refused."""
    content = idx.encode(array)
    with pytest.raises(IdxError):
        idx.decode(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(IdxError, match="bytes, found"):
        idx.decode(content + b"\0")


@given(arrays.filter(lambda array: array.size > 0), st.data())
def test_a_changed_header_is_refused_or_changes_the_array(array: np.ndarray, data: st.DataObject) -> None:
    """No changed header decodes to the same dtype and shape."""
    content = bytearray(idx.encode(array))
    at = data.draw(st.integers(0, 3 + 4 * array.ndim))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        decoded = idx.decode(bytes(content))
    except IdxError:
        return
    assert (decoded.dtype, decoded.shape) != (array.dtype.newbyteorder(">"), array.shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"<html>", "starts with b'<htm' instead of two zero bytes"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\0\x07\x01" + struct.pack(">I", 0), "unknown IDX type code 0x07"),
        (b"\0\0\x08\x02" + struct.pack(">I", 1), "2 dimensions need 12 bytes, found 8"),
        (b"\0\0\x08\x01" + struct.pack(">I", 2**32 - 1), "has 4294967303 bytes, found 8"),
    ],
)
def test_not_idx(content: bytes, message: str) -> None:
    """The error says what is wrong with the bytes."""
    with pytest.raises(IdxError, match=message):
        idx.decode(content)


@pytest.mark.parametrize("array", [np.zeros(1, np.int64), np.zeros(1, bool), np.array(["a"])], ids=str)
def test_what_idx_cannot_hold(array: np.ndarray) -> None:
    """A dtype without a type code is refused, not converted."""
    with pytest.raises(IdxError, match="IDX holds uint8, int8, int16, int32, float32, float64"):
        idx.encode(array)
