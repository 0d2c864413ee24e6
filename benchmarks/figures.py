"""The figures, a function for each kind; at the end stands the table of what is promised."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks import many
from benchmarks.material import Material, logits, softmax, some_labels
from benchmarks.measuring import (
    Budget,
    Call,
    Goal,
    Measurement,
    Remote,
    Row,
    peak_memory,
    process,
    warm_allocator,
)
from mnistloss import batches, compare, evaluate, load_mnist
from mnistloss.arrays.checks import Array
from mnistloss.arrays.digest import Digest
from mnistloss.cli import main
from mnistloss.evaluation import scoring

PYTHON = sys.executable
COMMAND = Path(PYTHON).with_name("mnistloss")
PROCESSORS = len(os.sched_getaffinity(0))
MANY, FILES, FLIPS = 2_000_000, 1000, 10_000
BEFORE = "149ffe7"
"""The commit with one process and without a thread, which the full pass is compared with."""

Measure = Callable[[Material, Budget], Measurement]

# What users would write: the loss and the accuracy of a file of predictions, with the file of the labels.
SCRIPTS = {
    "scikit-learn": """
from sklearn.metrics import accuracy_score, log_loss
print(log_loss(t, y), accuracy_score(t, y.argmax(axis=1)))
""",
    "torchmetrics": """
import torch
from torchmetrics.functional.classification import multiclass_accuracy
p, labels = torch.from_numpy(y), torch.from_numpy(t.astype(np.int64))
print(torch.nn.functional.nll_loss(p.log(), labels), multiclass_accuracy(p, labels, 10, average="micro"))
""",
    "Keras": """
import keras
right = keras.metrics.sparse_categorical_accuracy(t, y)
print(float(keras.losses.SparseCategoricalCrossentropy()(t, y)), float(keras.ops.mean(right)))
""",
    "torch": """
import torch
z, labels = torch.from_numpy(y), torch.from_numpy(t.astype(np.int64))
print(torch.nn.functional.cross_entropy(z, labels), (z.argmax(dim=1) == labels).float().mean())
""",
}
_START = "import sys; import numpy as np; t, y = np.load(sys.argv[1]), np.load(sys.argv[2])"

# The full pass by an older version: its time and CPU time, once for each line of standard input.
_OLDER = """
import sys, time
import numpy as np
from benchmarks.measuring import warm_allocator, cost
sys.path.insert(0, sys.argv[1])
from mnistloss import evaluate, __file__ as place
assert place.startswith(sys.argv[1]), place
warm_allocator()
y, t = np.load(sys.argv[2]), np.load(sys.argv[3])
for _ in sys.stdin:
    print(*cost(lambda: evaluate(y, targets=t)), flush=True)
"""


def ours(made: Material, *words: str | Path) -> Call:
    """Our command as a whole process, with a cache that holds the real MNIST."""
    return process(COMMAND, *words, MNISTLOSS_CACHE=str(made.cache()))


def imports(names: str) -> Call:
    """An interpreter that only imports these modules, with one thread for BLAS as our command has."""
    return process(PYTHON, "-c", f"import {names}", OPENBLAS_NUM_THREADS="1")


def start(*words: str, **variables: str) -> Measure:
    """Our command without any data against an interpreter that imports click."""
    return lambda made, budget: budget.times(process(COMMAND, *words, **variables), imports("click"))


def evaluation(modules: str, *words: str) -> Measure:
    """Our command on a file against an interpreter that only imports the libraries that it needs."""
    return lambda made, budget: budget.times(ours(made, "eval", made.predictions(), *words), imports(modules))


def script(library: str) -> Measure:
    """Our command on a file against a script with a library, both whole processes; Keras runs on torch."""

    def measure(made: Material, budget: Budget) -> Measurement:
        path = made.logits() if library == "torch" else made.predictions()
        code = f"{_START}\n{SCRIPTS[library]}"
        theirs = process(PYTHON, "-c", code, made.labels(), path, KERAS_BACKEND="torch")
        run = ours(made, "eval", path, "--input", "logits" if library == "torch" else "probs")
        return budget.times(run, theirs, {"bare imports": imports(_RICH)})

    return measure


class _NoDigest(Digest):
    """In place of a SHA-256: takes no time."""

    def __init__(self, *, inline: bool) -> None:
        super().__init__(inline=True)

    def update(self, piece: object) -> None: ...


def limits(y: Array) -> dict[str, Call]:
    """What no pass over these bytes can be much faster than."""
    content = y.reshape(-1).view(np.uint64)
    return {
        "SHA-256 of the bytes": lambda: hashlib.sha256(content.view(np.uint8).data).digest(),
        "one read of them": lambda: np.bitwise_or.reduce(content),
    }


def some_predictions() -> tuple[Array, Array]:
    """The probabilities and labels of 2,000,000 examples, in a process whose allocator is warm."""
    warm_allocator()
    t = some_labels(MANY)
    return softmax(logits(t)), t


def pass_sha(made: Material, budget: Budget) -> Measurement:
    """Everything that `evaluate` does of an array in memory against the SHA-256 of its bytes alone."""
    y, t = some_predictions()
    bounds = limits(y)
    sha256 = bounds.pop("SHA-256 of the bytes")
    return budget.times(lambda: evaluate(y, targets=t), sha256, bounds)


def pass_bare(made: Material, budget: Budget) -> Measurement:
    """The same without the digest against scikit-learn's log_loss of the same."""
    from sklearn.metrics import log_loss

    y, t = some_predictions()
    with patch.object(scoring, "Digest", _NoDigest):
        return budget.times(lambda: evaluate(y, targets=t), lambda: log_loss(t, y), limits(y))


def pass_before(made: Material, budget: Budget) -> Measurement:
    """The same with the digest against an older commit, by a process of its own on the same numbers."""
    root = Path(__file__).resolve().parents[1]
    archive = subprocess.run(["git", "archive", BEFORE, "mnistloss"], cwd=root, capture_output=True, check=False)
    if archive.returncode:
        return Measurement(missing=f"this clone lacks the commit {BEFORE}")
    y, t = some_predictions()
    older = made.folder / BEFORE
    older.mkdir()
    subprocess.run(["tar", "x", "-C", str(older)], input=archive.stdout, check=True)
    paths = [str(made.folder / f"{name}-{BEFORE}.npy") for name in "yt"]
    for path, array in zip(paths, (y, t), strict=True):
        np.save(path, array)
    with subprocess.Popen(
        [PYTHON, "-c", _OLDER, str(older), *paths],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", cwd=root,
    ) as process:  # fmt: skip
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def theirs() -> Remote:
            stdin.write("again\n")
            stdin.flush()
            return Remote(map(float, stdout.readline().split()))

        measurement = budget.times(lambda: evaluate(y, targets=t), theirs, limits(y))
        stdin.close()
    return measurement


def from_logits(dtype: str) -> Measure:
    """The cross-entropy of raw scores in float32: ours in float64 against torch's in this dtype, with all threads."""

    def measure(made: Material, budget: Budget) -> Measurement:
        import torch

        warm_allocator()
        torch.set_num_threads(PROCESSORS)
        t = some_labels(MANY)
        z = logits(t)
        scores, labels = torch.from_numpy(z.astype(dtype)), torch.from_numpy(t.astype(np.int64))
        return budget.times(
            lambda: evaluate(z, targets=t, input="logits", losses=["cee"]),
            lambda: torch.nn.functional.cross_entropy(scores, labels),
            limits(z),
        )

    return measure


def memory(made: Material, budget: Budget) -> Measurement:
    """The peak of this process after it read 4 GB of logits, and its peak before.

    By one process; the targets are in memory before.
    """
    path, t = made.zeros(10**8), some_labels(10**8)
    before = peak_memory()
    evaluate(path, targets=t, input="logits")
    return Measurement([(peak_memory(), 0.0)], [(before, 0.0)])


def files(made: Material, budget: Budget) -> Measurement:
    """Our command on many files, without its start, against a loop over the same files, each in one process."""
    from sklearn.metrics import log_loss

    warm_allocator()
    os.environ["MNISTLOSS_CACHE"] = str(made.cache())
    paths, t = [made.predictions(number) for number in range(FILES)], np.load(made.labels())
    words = ["eval", *map(str, paths), "--format", "json"]

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            main(words, standalone_mode=False)

    def contents() -> Iterator[bytes]:
        return (path.read_bytes() for path in paths)

    return budget.times(
        run,
        lambda: [log_loss(t, np.load(path)) for path in paths],
        {
            "SHA-256 of the bytes": lambda: [hashlib.sha256(content).digest() for content in contents()],
            "one read of them": lambda: deque(contents(), maxlen=0),
        },
    )


def epoch(made: Material, budget: Budget) -> Measurement:
    """600 shuffled batches of 100, normalised one by one, none of them kept, against rows by their indices over 255."""
    (x, t), _ = load_mnist(normalize=False, cache_dir=made.cache(), download=False)
    order = np.random.default_rng(0).permutation(len(x)).reshape(600, 100)
    return budget.times(
        lambda: deque(batches(x, t, 100, shuffle=True, rng=1, normalize=True), maxlen=0),
        lambda: deque(((x.take(i, 0) / np.float32(255), t.take(i)) for i in order), maxlen=0),
        {"`numpy.take` alone": lambda: deque((x.take(i, 0) for i in order), maxlen=0)},
    )


def load(made: Material, budget: Budget) -> Measurement:
    """MNIST as bytes, from the cache and verified, against the SHA-256 of the same bytes in memory."""
    cache_dir = made.cache()
    paths = sorted((cache_dir / "mnist").glob("*-ubyte"))
    contents = [path.read_bytes() for path in paths]
    return budget.times(
        lambda: load_mnist(normalize=False, cache_dir=cache_dir, download=False),
        lambda: [hashlib.sha256(content).digest() for content in contents],
        {"one read of the files": lambda: [path.read_bytes() for path in paths]},
    )


def comparison(made: Material, budget: Budget) -> Measurement:
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
_CLICK, _RICH = '`python -c "import click"`', "numpy, click, rich.table, rich.console"
_EVAL, _JSON = "`mnistloss eval preds.npy --format json`, 10,000 × 10", ("--format", "json")
_PASS = "full pass (checks, cee, mse, accuracy, moments, digest), 2,000,000 × 10, in memory, one process"
_LOGITS = "cee from logits with digest, 2,000,000 × 10, in float64"
_BARE = "an interpreter that imports"
_SWEEP = "lines of 2,000 files of 10,000 × 10 from two Dask workers"

_TABLE: tuple[tuple[str, str, str, Goal, Measure], ...] = (
    ("help", "`mnistloss --help`", _CLICK, Goal("at most", 1.15), start("--help")),
    ("version", "`mnistloss --version`", _CLICK, Goal("at most", 1.15), start("--version")),
    ("completion", "shell completion", _CLICK, Goal("at most", 1.15), start(**_TABULATOR)),
    ("eval-json", _EVAL, f"{_BARE} numpy, click", Goal("at most", 1.15), evaluation("numpy, click", *_JSON)),
    ("eval-table", "the same, table", f"{_BARE} {_RICH}", Goal("at most", 1.15), evaluation(_RICH)),
    ("sklearn", "the same", "a script with scikit-learn", Goal("faster", 5), script("scikit-learn")),
    ("torchmetrics", "the same", "a script with torchmetrics", Goal("faster", 5), script("torchmetrics")),
    ("keras", "the same", "a script with Keras, on torch", Goal("faster", 5), script("Keras")),
    (
        "torch",
        "`mnistloss eval logits.npy --input logits`, 10,000 × 10",
        "a script with torch",
        Goal("faster", 10),
        script("torch"),
    ),
    ("pass-before", _PASS, f"the same by commit {BEFORE}", Goal("faster", 1.8), pass_before),
    ("pass-sha", "the same", "SHA-256 of the same bytes", Goal("at most", 1.6), pass_sha),
    ("pass-bare", "the same without the digest", "scikit-learn `log_loss`", Goal("faster", 5), pass_bare),
    ("logits", _LOGITS, "torch `cross_entropy` in float64", Goal("faster", 1), from_logits("f8")),
    ("logits-float32", "the same", "torch `cross_entropy` in float32", Goal("shown", 0), from_logits("f4")),
    ("files", "1,000 files of 10,000 × 10", "a loop of `np.load` and `log_loss`", Goal("faster", 6), files),
    ("files-refused", "200 files, 20 of them wrong", "the 180 good ones", Goal("at most", 1.3), many.refused),
    ("files-cluster", _SWEEP, "one process on one processor", Goal("faster", 1.7), many.sweep),
    ("files-overhead", "the same, CPU time a file", "the same", Goal("more CPU", 0.1), many.overhead),
    ("files-memory", "peak memory, rows of 100,000 files", "those of 1,000", Goal("more", 4), many.leader),
    (
        "epoch",
        "600 shuffled batches of 100, normalised float32",
        "`numpy.take` and one division",
        Goal("at most", 1.1),
        epoch,
    ),
    ("load", "`load_mnist` of bytes, verified", "SHA-256 of the same bytes", Goal("at most", 1.25), load),
    ("memory", "peak memory on a file of 4 GB", "the process before it opens the file", Goal("more", 64), memory),
    ("compare", "`compare` of two files, 10,000 flips", "scipy's `permutation_test`", Goal("faster", 10), comparison),
)

FIGURES = {name: (Row(name, what, against, goal), measure) for name, what, against, goal, measure in _TABLE}
