"""Predictions in CSV, text and .npz files: read with distrust; a column that counts the rows is used or refused."""

import contextlib
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from hypothesis import given
from hypothesis import strategies as st
from planted import honest

from mnistloss import compare, evaluate
from mnistloss.analysis.verify import verify
from mnistloss.arrays import npy
from mnistloss.arrays.csv_files import read_csv
from mnistloss.errors import ArgumentError, InputError, MnistLossError

HEADING = ",".join(f"p{k}" for k in range(10))


def rows_of(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def written(path: Path, array: np.ndarray, index: np.ndarray | None = None, heading: str = "", mark: str = ",") -> Path:
    """Write rows in full precision, with an index before them where one is given."""
    lines = [heading] if heading else []
    for i, row in enumerate(array.tolist()):
        lines.append(mark.join(map(repr, row if index is None else [int(index[i]), *row])))
    path.write_bytes(rows_of(*lines) + b"\n")
    return path


@pytest.fixture(scope="module")
def of_array() -> object:
    """The losses of the honest predictions as an array."""
    return evaluate(honest().probs, dataset="mnist-5k")


@pytest.mark.parametrize(
    ("name", "heading", "mark"),
    [
        ("y.csv", "", ","),
        ("y.csv", HEADING, ","),
        ("y.csv", "0,1,2,3,4,5,6,7,8,9", ","),
        ("y.csv", '"V1";"V2"', ";"),
        ("y.txt", "# of np.savetxt", " "),
        ("y.tsv", "", "\t"),
        ("y.TXT", "", "   "),
    ],
)
def test_tables_score_as_arrays(name: str, heading: str, mark: str, tmp_path: Path, of_array: object) -> None:
    """With or without a heading, and with any delimiter, the numbers and the signature are those of the array."""
    result = evaluate(written(tmp_path / name, honest().probs, heading=heading, mark=mark), dataset="mnist-5k")
    assert result.losses == evaluate(np.asarray(honest().probs, np.float64), dataset="mnist-5k").losses
    assert result.accuracy.value == of_array.accuracy.value  # type: ignore[attr-defined]


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    """A file of Excel is read as any other."""
    (tmp_path / "y.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n0.25,0.75\r\n1,0\r\n")
    np.testing.assert_array_equal(read_csv(tmp_path / "y.csv").values, [[0.25, 0.75], [1, 0]])


@pytest.mark.parametrize("heading", ["", "," + ",".join("0123456789"), "Id," + HEADING])
def test_index_in_order_is_dropped(heading: str, tmp_path: Path) -> None:
    """An index 0..N-1 changes nothing, the signature included."""
    plain = evaluate(written(tmp_path / "y.csv", honest().probs), dataset="mnist-5k")
    path = written(tmp_path / "i.csv", honest().probs, np.arange(1000), heading)
    assert evaluate(path, dataset="mnist-5k").signature == plain.signature


def test_index_in_another_order_is_used(tmp_path: Path) -> None:
    """Shuffled rows score as the same rows with these indices; without a split they are refused."""
    order = np.random.default_rng(3).permutation(1000)
    for chosen in (order, order[:300]):
        path = written(tmp_path / "y.csv", honest().probs[chosen], chosen)
        keywords = {"dataset": "mnist-5k", "split": "test"}
        by_indices = evaluate(np.asarray(honest().probs[chosen], np.float64), indices=chosen, **keywords)  # type: ignore[arg-type]
        assert evaluate(path, **keywords).losses == by_indices.losses  # type: ignore[arg-type]
        with pytest.raises(InputError, match='not 0 to N-1 in order, and does not say of which split; add split="tr'):
            evaluate(path, dataset="mnist-5k")
        with pytest.raises(ArgumentError, match="leave indices=FILE out"):
            evaluate(path, indices=chosen, **keywords)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="for targets=FILE sort the rows by it"):
            evaluate(path, targets=honest().labels[chosen])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (np.arange(1000) + 1, "it counts from 1, and examples are counted from 0: subtract 1"),
        (np.arange(1000) // 2, r"0 is in rows 0 and 1\. Save the file without this column"),
        (np.arange(1000) - 5, r"-5 is below 0"),
        (np.arange(1000) * 2, "the first column: index 1000 in row 500 is outside 0..999, test of mnist-5k"),
        (honest().labels, "is in rows"),
    ],
)
def test_odd_indices_are_refused(index: np.ndarray, message: str, tmp_path: Path) -> None:
    """A first column that counts in another way is named, and never scored."""
    with pytest.raises(InputError, match=f"y.csv: .*{message}"):
        evaluate(written(tmp_path / "y.csv", honest().probs, index), dataset="mnist-5k", split="test")


@given(
    index=st.lists(st.integers(-2, 8), min_size=3, max_size=6).filter(lambda index: max(index) > 1),
    heading=st.sampled_from(["", "Id,a,b,c", ",0,1,2", "a,b,c,d"]),
)
def test_no_index_is_scored_as_a_class(
    index: list[int], heading: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever whole numbers stand before the classes, a score is that of the rows in the order that they say."""
    probs = np.random.default_rng(1).dirichlet(np.ones(3), len(index))
    targets = np.arange(len(index)) % 3
    path = written(tmp_path_factory.mktemp("csv") / "y.csv", probs, np.array(index), heading)
    try:
        losses = evaluate(path, targets=targets).losses
    except MnistLossError:
        return
    assert index == list(range(len(index)))
    assert losses == evaluate(probs, targets=targets).losses


def test_signatures_of_indexed_and_named_files_are_verified(tmp_path: Path) -> None:
    """A file that says its own indices, and one of several arrays, give what their signatures say."""
    order = np.arange(1000)[::-1]
    path = written(tmp_path / "y.csv", honest().probs[order], order)
    result = evaluate(path, dataset="mnist-5k", split="test", losses="cee")
    assert verify(result.losses["cee"].signature, path).verified
    other = written(tmp_path / "z.csv", honest().probs)
    assert not verify(result.losses["cee"].signature, other).verified
    np.savez(tmp_path / "two.npz", a=honest().probs, b=honest().labels)
    named = evaluate(honest().probs, dataset="mnist-5k", losses="cee").losses["cee"].signature
    assert verify(named, tmp_path / "two.npz", array="a").verified


def test_other_orders_are_not_compared(tmp_path: Path) -> None:
    """Files whose indices differ have no paired differences; with the same indices they have."""
    order, keywords = np.arange(1000)[::-1], {"dataset": "mnist-5k", "split": "test"}
    turned = written(tmp_path / "y.csv", honest().probs[order], order)
    plain = written(tmp_path / "z.csv", honest().probs)
    (tmp_path / "same.csv").write_bytes(turned.read_bytes())
    with pytest.raises(InputError, match="paired differences need the same index in both"):
        compare(plain, turned, **keywords)  # type: ignore[arg-type]
    assert compare(turned, tmp_path / "same.csv", **keywords).differences[0].mean == 0  # type: ignore[arg-type]


def test_whole_logits_are_no_index(tmp_path: Path) -> None:
    """Quantised logits keep their first column, and one-hot rows too."""
    logits = np.random.default_rng(2).integers(-9, 9, (1000, 10)).astype(float)
    for array, kind in ((logits, "logits"), (np.eye(10)[honest().labels], "probs")):
        result = evaluate(written(tmp_path / "y.csv", array), dataset="mnist-5k", input=kind)
        assert result.losses == evaluate(array, dataset="mnist-5k", input=kind).losses


def test_labels_in_text(tmp_path: Path) -> None:
    """A column of whole numbers holds classes: predicted ones, or targets of the user's own; an index may precede."""
    labels = honest().labels
    np.savetxt(tmp_path / "t.txt", labels, "%d")
    np.savetxt(
        tmp_path / "i.csv", np.column_stack([np.arange(1000), labels]), "%d", ",", header="id,label", comments=""
    )
    for name in ("t.txt", "i.csv"):
        assert evaluate(tmp_path / name, dataset="mnist-5k", losses="error").accuracy.value == 1
        own = evaluate(honest().probs, targets=tmp_path / name)
        assert own.losses["cee"].value == evaluate(honest().probs, targets=labels).losses["cee"].value


BROKEN = {
    "ragged": (b"0.5,0.5\n0.5,0.5\n0.2,0.3,0.5\n", "line 3: .*columns changed from 2 to 3; expected equally many"),
    "blank line": (b"0.5,0.5\n\n0.5,0.5\n", "line 2 is empty"),
    "empty field": (b"0.5,0.5\n0.5,\n", "line 2: could not convert string '' "),
    "decimal comma": (b"a;b\n0,5;0,5\n", "line 2: could not convert string '0,5' .*with a decimal point"),
    "hexadecimal": (b"0.5,0.5\n0x1p-1,0.5\n", "line 2: could not convert string '0x1p-1'"),
    "underscore": (b"0.5,0.5\n1_0,0.5\n", "line 2: could not convert string '1_0'"),
    "other digits": ("0.5,0.5\n\u0661,0.5\n".encode(), "line 2: could not convert string .*expected"),
    "underscore in line 1": (b"1_0,0.5\n1,0.5\n", "line 1: could not convert string '1_0'"),
    "text": (b"0.5,0.5\nseven,0.5\n", "line 2: could not convert string 'seven'"),
    "escape": (b"0.5,0.5\n\x1b[31m,0.5\n", r"line 2: could not convert string '\\x1b\[31m"),
    "heading only": (b"a,b\n", "no rows of numbers"),
    "empty": (b"", "0 bytes"),
    "web page": (b"<html>\n", "HTML or XML page"),
    "npy": (b"\x93NUMPY\1\0", "a .npy file"),
    "UTF-16": ("a,b\n0,1\n".encode("utf-16"), "UTF-16 text"),
    "long line": (b"1," * 40_000, "line 1 is longer than 65,536 bytes"),
    "zeros": (bytes(100_000), "line 1 is longer"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_tables_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """Each is refused with its line, and nothing of it reaches the terminal raw."""
    (tmp_path / "y.csv").write_bytes(content)
    with pytest.raises(InputError, match=f"y.csv: .*({message})") as caught:
        read_csv(tmp_path / "y.csv")
    assert "\x1b" not in str(caught.value)


def test_large_tables_are_refused(tmp_path: Path) -> None:
    """More than 64 MiB are refused before they are read, and a long line without reading it."""
    with (tmp_path / "y.csv").open("wb") as stream:
        stream.write(b"0.1,0.9\n")
        stream.truncate(10**9)
    (tmp_path / "z.csv").write_bytes(b"0.1,0.9\n" + b"1" * 50_000_000)
    (tmp_path / "digits.csv").write_bytes(b"0.1,0.9\n0.1," + b"1" * 60_000 + b"x\n")
    began = time.monotonic()
    tracemalloc.start()
    with pytest.raises(InputError, match="1,000,000,000 bytes; expected at most 67,108,864"):
        read_csv(tmp_path / "y.csv")
    with pytest.raises(InputError, match="line 2 is longer"):
        read_csv(tmp_path / "z.csv")
    with pytest.raises(InputError, match="line 2: could not convert string '1111"):
        read_csv(tmp_path / "digits.csv")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert time.monotonic() - began < 1


@given(content=st.binary(max_size=300) | st.text('0123456789.,;e+-\n\t #naif"', max_size=300).map(str.encode))
def test_any_bytes_are_a_table_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No bytes give anything but numbers or an InputError."""
    path = tmp_path_factory.mktemp("csv") / "y.csv"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert read_csv(path).values.dtype in (np.float64, np.int64)


def test_array_of_npz(tmp_path: Path, cli: Cli) -> None:
    """The only array of a .npz is scored, or the one that is named; several without a name are listed."""
    probs = honest().probs
    np.savez_compressed(tmp_path / "one.npz", probs)
    np.savez(tmp_path / "two.npz", probs=np.asfortranarray(probs), labels=honest().labels)
    plain = evaluate(probs, dataset="mnist-5k")
    assert evaluate(tmp_path / "one.npz", dataset="mnist-5k").signature == plain.signature
    assert evaluate(tmp_path / "two.npz", dataset="mnist-5k", array="probs").losses == plain.losses
    listed = r"two.npz: the .npz file holds 2 arrays: probs \(1000, 10\), labels \(1000,\)"
    with pytest.raises(InputError, match=f'{listed}; choose one with array="NAME"'):
        evaluate(tmp_path / "two.npz", dataset="mnist-5k")
    with pytest.raises(InputError, match=f"{listed}; none is named y"):
        evaluate(tmp_path / "two.npz", dataset="mnist-5k", array="y")
    command = cli("eval", tmp_path / "two.npz", "--array", "probs", "--dataset", "mnist-5k", "--format", "json")
    assert repr(plain.losses["cee"].value) in command.stdout
    np.save(tmp_path / "y.npy", probs)
    for source in (tmp_path / "y.npy", probs, written(tmp_path / "y.csv", probs)):
        with pytest.raises(ArgumentError, match='array="x" is the name of an array in a'):
            evaluate(source, array="x")


def test_hostile_npz(tmp_path: Path) -> None:
    """Archives that lie, burst or are something else are refused quickly and in little memory."""
    path = tmp_path / "y.npz"
    bomb = bytes(60_000_000)
    cases: dict[str, tuple[dict[str, bytes], int]] = {
        "a file of torch.save": ({"archive/data.pkl": b""}, zipfile.ZIP_STORED),
        "ends within its .npy header": ({"y.npy": b"\x93NUMPY"}, zipfile.ZIP_STORED),
        "no .npy file": ({"y.npy": bomb}, zipfile.ZIP_DEFLATED),
        "compressed in another way": ({"y.npy": b"x"}, zipfile.ZIP_LZMA),
        "30 arrays: 0": ({f"{i}.npy": bomb for i in range(30)}, zipfile.ZIP_DEFLATED),
    }
    for message, (members, method) in cases.items():
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        began = time.monotonic()
        tracemalloc.start()
        with pytest.raises(InputError, match=f"y.npz.*{message}"):
            evaluate(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()
        assert time.monotonic() - began < 1


def test_sparse_targets_and_indices_are_refused_by_their_header(tmp_path: Path) -> None:
    """Files of gigabytes are not read for predictions of a few examples."""
    with (tmp_path / "t.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<i8", "fortran_order": False, "shape": (10**9,)})
        stream.truncate(stream.tell() + 8 * 10**9)
    for keywords in ({"targets": tmp_path / "t.npy"}, {"indices": tmp_path / "t.npy", "split": "test"}):
        with pytest.raises(InputError, match="1,000,000,000 elements; expected 1,000,000 at the most"):
            evaluate(honest().probs, **keywords)


def test_long_strings_in_a_batch_are_refused_by_their_header(tmp_path: Path) -> None:
    """Bounds are in bytes: one string of 2**27 characters has half a gigabyte."""
    path = tmp_path / "batch.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("split.npy", "w") as member:
        text = "{'descr': '<U134217727', 'fortran_order': False, 'shape': (), }\n"
        member.write(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + bytes(1000))
    with pytest.raises(InputError, match="elements of 536,870,908 bytes; expected 256 at the most"):
        npy.load_member(path, "split", "U", most=1)
