"""Contact sheets: digits of a sample, each above its index and label."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from PIL import Image

from mnistloss.datasets.load import load_split
from mnistloss.report import charts

SAMPLE = ("sample", "--dataset", "mnist-5k", "--seed", 1)


def test_sheet_of_a_sample(tmp_path: Path, cli: Cli) -> None:
    """Each digit is dark on light, three times as large, in the order of the draw; stdout does not change."""
    result = cli(*SAMPLE, "--batch-size", 4, "--batches", 2, "--picture", tmp_path / "sheet.png")
    assert result.stdout == cli(*SAMPLE, "--batch-size", 4, "--batches", 2).stdout
    assert result.stderr == f"drawn to {tmp_path / 'sheet.png'}\n"
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    indices = [int(line.split()[1]) for line in result.stdout.splitlines() if re.match(r" +\d", line)]
    images = load_split("mnist-5k", "train").images[indices]
    assert len(images) == 8
    for i, image in enumerate(images):
        top, left = 14 + i // 4 * 116, 14 + i % 4 * 98
        np.testing.assert_array_equal(sheet[top : top + 84 : 3, left : left + 84 : 3], 255 - image)
        assert (sheet[top + 86 : top + 102, left : left + 84] < 128).any()
    assert sheet.shape == (14 + 2 * 116, 14 + 4 * 98)


def test_captions(tmp_path: Path) -> None:
    """Another caption gives another picture; the same caption gives the same bytes."""
    image = np.zeros((1, 28, 28), np.uint8)
    for name, caption in (("a", "1: 2"), ("b", "1: 3"), ("c", "1: 2")):
        charts.save_sheet(tmp_path / name, image, [caption])
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == c != b


def test_too_many_and_wrong_names(tmp_path: Path, cli: Cli) -> None:
    """Too many digits and another suffix are refused, and nothing is written."""
    result = cli(
        "sample", "--dataset", "mnist-5k", "--partition", "--picture", tmp_path / "s.png", "--out", tmp_path / "b"
    )
    assert result.exit_code == 2
    assert "room for 2,500 digits, not for 4,000; draw fewer" in result.stderr
    assert not list(tmp_path.glob("[sb]*"))
    assert "ends in .gif; expected .png" in cli(*SAMPLE, "--picture", tmp_path / "s.gif").stderr


def test_without_the_extra(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Pillow the command names the extra to install."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    result = cli(*SAMPLE, "--picture", tmp_path / "s.png")
    assert result.exit_code == 1
    assert "install it with: pip install 'mnistloss[report]'" in result.stderr
