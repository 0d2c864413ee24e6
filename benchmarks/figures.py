"""The figures, a function for each kind; at the end stands the table of what is promised."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.material import Material, logits, softmax, some_labels
from benchmarks.measuring import Budget, Call, Goal, Pairs, Row, peak_memory, process
from mnistloss import batches, compare, evaluate, load_mnist
from mnistloss.arrays.checks import Array

PYTHON = sys.executable
COMMAND = Path(PYTHON).with_name("mnistloss")
PROCESSORS = len(os.sched_getaffinity(0))
MANY, FILES, FLIPS = 2_000_000, 1000, 10_000

Measure = Callable[[Material, Budget], Pairs]

# What a user would write: the log_loss of each file.
SCRIPT = """
import sys
import numpy as np
from sklearn.metrics import log_loss
t = np.load(sys.argv[1])
for path in sys.argv[2:]:
    print(path, log_loss(t, np.load(path)))
"""


def ours(made: Material, *words: str | Path) -> Call:
    """Our command as a whole process, with a cache that holds the real MNIST."""
    return process(COMMAND, *words, MNISTLOSS_CACHE=str(made.cache()))


def start(*words: str, **variables: str) -> Measure:
    """Our command without any data against an interpreter that imports click."""
    theirs = process(PYTHON, "-c", "import click")
    return lambda made, budget: budget.times(process(COMMAND, *words, **variables), theirs)


def evaluation(imports: str, *words: str) -> Measure:
    """Our command on a file against an interpreter that only imports the libraries that it needs."""
    theirs = process(PYTHON, "-c", f"import {imports}")
    return lambda made, budget: budget.times(ours(made, "eval", made.predictions(), *words), theirs)


def files(count: int, *words: str) -> Measure:
    """Our command on some files against the script on the same files, both whole processes."""

    def measure(made: Material, budget: Budget) -> Pairs:
        paths = [made.predictions(number) for number in range(count)]
        script = process(PYTHON, "-c", SCRIPT, made.labels(), *paths)
        return budget.times(ours(made, "eval", *paths, *words), script)

    return measure


class _NoDigest:
    """In place of a SHA-256: takes no time."""

    def update(self, data: object) -> None: ...

    def hexdigest(self) -> str:
        return ""


def full_pass(*, digest: bool = True) -> Measure:
    """Everything that `evaluate` does of arrays in memory, with or without the digest, against log_loss of the same."""

    def measure(made: Material, budget: Budget) -> Pairs:
        from sklearn.metrics import log_loss

        t = some_labels(MANY)
        y = softmax(logits(t))
        with patch.object(hashlib, "sha256", hashlib.sha256 if digest else _NoDigest):
            return budget.times(lambda: evaluate(y, targets=t), lambda: log_loss(t, y))

    return measure


def from_logits(made: Material, budget: Budget) -> Pairs:
    """The cross-entropy of raw scores: ours in float64 with one thread, torch's in float32 with two."""
    import torch

    torch.set_num_threads(2)
    t = some_labels(MANY)
    z = logits(t)
    scores, labels = torch.from_numpy(z), torch.from_numpy(t.astype(np.int64))
    return budget.times(
        lambda: evaluate(z, targets=t, input="logits", losses=["cee"]),
        lambda: torch.nn.functional.cross_entropy(scores, labels),
    )


def memory(made: Material, budget: Budget) -> Pairs:
    """The peak of this process after it read 4 GB of logits, and its peak before.

    By one process; the targets are in memory before.
    """
    path, t = made.zeros(10**8), some_labels(10**8)
    before = peak_memory()
    evaluate(path, targets=t, input="logits")
    return [(peak_memory(), before)]


def epoch(made: Material) -> Call:
    """One epoch of ours: 600 shuffled batches of 100, normalised batch by batch, none of them kept."""
    (x, t), _ = load_mnist(normalize=False, cache_dir=made.cache(), download=False)
    return lambda: deque(batches(x, t, 100, shuffle=True, rng=1, normalize=True), maxlen=0)


def epoch_of_torch(made: Material, budget: Budget) -> Pairs:
    """The same batches from a DataLoader; its images are normalised beforehand."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x, t = made.split("train").take(slice(None))
    loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.tensor(t)), batch_size=100, shuffle=True)
    return budget.times(epoch(made), lambda: deque(loader, maxlen=0))


def epoch_of_numpy(made: Material, budget: Budget) -> Pairs:
    """What it takes at least: rows by their indices, times a number."""
    split = made.split("train")
    x, t, scale = split.images.reshape(len(split), -1), split.labels, np.float32(1 / 255)
    order = np.random.default_rng(0).permutation(len(split)).reshape(600, 100)
    return budget.times(epoch(made), lambda: deque(((x.take(i, 0) * scale, t.take(i)) for i in order), maxlen=0))


def load(made: Material, budget: Budget) -> Pairs:
    """MNIST as bytes: from the cache and verified, against gunzip and parse of the files as they are published."""
    cache_dir, archives = made.cache(), made.archives()

    def parse(path: Path) -> Array:
        with gzip.open(path) as stream:
            content = stream.read()
        return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])

    return budget.times(
        lambda: load_mnist(normalize=False, cache_dir=cache_dir, download=False), lambda: list(map(parse, archives))
    )


def comparison(made: Material, budget: Budget) -> Pairs:
    """All that `compare` says of two files against the permutation test of their differences alone."""
    from scipy.stats import permutation_test

    a, b, cache_dir = made.predictions(0), made.predictions(1), made.cache()
    t = np.load(made.labels())
    difference = np.log(np.load(a)[np.arange(len(t)), t]) - np.log(np.load(b)[np.arange(len(t)), t])
    return budget.times(
        lambda: compare(a, b, flips=FLIPS, cache_dir=cache_dir, download=False),
        lambda: permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=FLIPS, vectorized=True, batch=500
        ),
    )


# What the shell sets when someone types `mnistloss ev` and the tabulator.
_TABULATOR = {"_MNISTLOSS_COMPLETE": "bash_complete", "COMP_WORDS": "mnistloss ev", "COMP_CWORD": "1"}
_CLICK, _LOG_LOSS = '`python -c "import click"`', "scikit-learn `log_loss` alone, in memory"
_RICH = "numpy, click, rich.table, rich.console"
_EVAL, _JSON = "`mnistloss eval preds.npy --format json`, 10,000 × 10", ("--format", "json")
_PASS = "full pass (checks, cee, mse, accuracy, moments), 2,000,000 × 10, one thread"
_EPOCH = "one epoch of 600 shuffled batches of 100, normalised float32, from the cache"

_TABLE: tuple[tuple[str, str, str, Goal, Measure], ...] = (
    ("help", "`mnistloss --help`", _CLICK, Goal("at most", 1.4), start("--help")),
    ("version", "`mnistloss --version`", _CLICK, Goal("at most", 1.4), start("--version")),
    ("completion", "shell completion", _CLICK, Goal("at most", 1.4), start(**_TABULATOR)),
    (
        "eval-json",
        _EVAL,
        '`python -c "import numpy, click"`',
        Goal("at most", 1.3),
        evaluation("numpy, click", *_JSON),
    ),
    (
        "eval-table",
        "the same, table",
        f'`python -c "import {_RICH}"`',
        Goal("at most", 1.3),
        evaluation(_RICH),
    ),
    ("eval-script", "the same, table", "a script with scikit-learn's `log_loss`", Goal("faster", 5), files(1)),
    ("pass-one", _PASS, _LOG_LOSS, Goal("faster", 8), full_pass()),
    (
        "pass-bare",
        "the same without the SHA-256 for the signature",
        _LOG_LOSS,
        Goal("faster", 8),
        full_pass(digest=False),
    ),
    ("logits", "cee from logits, one thread", "torch `cross_entropy`, two threads", Goal("faster", 3), from_logits),
    ("memory", "peak memory on a file of 4 GB", "the process before it opens the file", Goal("more", 64), memory),
    (
        "files",
        "1,000 files of 10,000 × 10 in one call",
        "a loop of `np.load` and `log_loss` in one process",
        Goal("faster", 12),
        files(FILES, *_JSON),
    ),
    ("epoch-torch", _EPOCH, "torch `DataLoader` over a `TensorDataset`", Goal("faster", 15), epoch_of_torch),
    ("epoch-numpy", "the same", "`numpy.take` and one multiply", Goal("at most", 1.5), epoch_of_numpy),
    ("load", "`load_mnist` of bytes, verified", "gunzip and parse of the published files", Goal("faster", 4), load),
    ("compare", "`compare` of two files, 10,000 flips", "scipy's `permutation_test`", Goal("faster", 10), comparison),
)

FIGURES = {name: (Row(name, what, against, goal), measure) for name, what, against, goal, measure in _TABLE}
