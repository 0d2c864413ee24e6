"""Fixtures: an empty cache of the test's own, no network beyond loopback, real data where it is."""

import inspect
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from mirror import Mirror
from small_datasets import DISTANT, SMALL

from mnistloss.cli import main
from mnistloss.datasets import catalog
from mnistloss.datasets.fetch import import_files
from mnistloss.evaluation.scoring import ALL_COLUMNS, Predictions, Scores, score
from mnistloss.evaluation.targets import DataOptions

Cli = Callable[..., Result]

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

RUNNER: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
"""What keeps the two streams apart in click 8.1; later ones do so by themselves."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by its argument instead of its bytes: gzip data holds the time, and all processes need one name."""
    return argname if isinstance(val, bytes) else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in one line what was skipped and why."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        skipped = (f"{count} ({reason.removeprefix('Skipped: ')})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped: {', '.join(skipped)}")


def scores_of(predictions: Predictions, data: DataOptions, keep: Sequence[str] = ALL_COLUMNS) -> Scores:
    """Score predictions, keeping what every view needs."""
    return score(predictions, data, keep=keep)


@pytest.fixture(autouse=True)
def _private_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's cache or settings, nor the network beyond loopback."""
    monkeypatch.setenv("MNISTLOSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def only_loopback(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"no network in tests, not even {address}")
        connect(self, address)

    def resolve_loopback(host: str, *rest: object, **options: object) -> object:
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise socket.gaierror(f"no network in tests, not even {host}")
        return resolve(host, *rest, **options)  # type: ignore[arg-type]  # handed through as it came

    monkeypatch.setattr(socket.socket, "connect", only_loopback)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_loopback)


@pytest.fixture
def cli() -> Cli:
    """Run the command line within this process: `cli("eval", path, ...)`."""

    def run(*arguments: object, input: bytes | None = None) -> Result:
        words = [str(a) for a in arguments]
        return CliRunner(**RUNNER).invoke(main, words, input=input, catch_exceptions=False, prog_name="mnistloss")

    return run


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A real HTTP server on loopback."""
    with Mirror() as server:
        yield server


@pytest.fixture
def small_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The datasets of the tests in the catalog: small and distant."""
    monkeypatch.setitem(catalog.DATASETS, "small", SMALL)
    monkeypatch.setitem(catalog.DATASETS, "distant", DISTANT)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of the real MNIST files and of real predictions."""
    folder = os.environ.get("MNISTLOSS_REALDATA")
    if not folder:
        pytest.skip("MNISTLOSS_REALDATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def realcache(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the real MNIST."""
    folder = tmp_path_factory.mktemp("realcache")
    import_files(realdata / "mnist", catalog.MNIST, catalog.MNIST.select(), cache_dir=folder)
    return folder


@pytest.fixture
def real(realcache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real MNIST in the cache that is used by default."""
    monkeypatch.setenv("MNISTLOSS_CACHE", str(realcache))
    return realcache


@pytest.fixture
def probs() -> np.ndarray:
    """Random probabilities for the test split of mnist-5k, in float32."""
    return np.random.default_rng(5).dirichlet(np.full(10, 0.3), 1000).astype(np.float32)


@pytest.fixture
def preds(tmp_path: Path, probs: np.ndarray) -> Path:
    """Those probabilities in a file."""
    path = tmp_path / "preds.npy"
    np.save(path, probs)
    return path
