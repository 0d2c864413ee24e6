"""The real DVC reads what --format scores writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

DVC = shutil.which("dvc", path=f"{Path(sys.prefix) / 'dvc' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")


@pytest.mark.skipif(DVC is None, reason="DVC is not installed")
def test_dvc_metrics_diff(cli: Cli, preds: Path, probs: np.ndarray, tmp_path: Path) -> None:
    """`dvc metrics diff` shows how each number of a file of scores has changed since the last commit."""
    repository = tmp_path / "repository"
    repository.mkdir()

    def run(*command: object) -> str:
        return subprocess.run(
            [str(word) for word in command], cwd=repository, check=True, capture_output=True, text=True
        ).stdout  # fmt: skip

    def score() -> dict[str, float]:
        text = cli("eval", preds, "--dataset", "mnist-5k", "--format", "scores").stdout
        (repository / "scores.json").write_text(text)
        scores: dict[str, float] = json.loads(text)
        return scores

    run("git", "init", "-q")
    run(DVC, "init", "-q")
    (repository / "dvc.yaml").write_text("metrics:\n- scores.json\n")
    before = score()
    run("git", "add", "-A")
    run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")
    np.save(preds, (probs + 1) / 11)
    after = score()
    changed = json.loads(run(DVC, "metrics", "diff", "--json"))["scores.json"]
    for name in ("cee", "cee.stderr", "mse", "mse.high"):
        assert (changed[name]["old"], changed[name]["new"]) == pytest.approx((before[name], after[name]), rel=1e-12)
