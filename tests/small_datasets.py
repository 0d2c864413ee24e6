"""Datasets of the tests: SMALL, with four examples in each split, and DISTANT, mnist-5k as a download."""

import gzip
import hashlib

import numpy as np
from mirror import Mirror

from mnistloss.datasets import cache, catalog, idx
from mnistloss.datasets.settings import CacheOptions, Timeouts

OFFLINE = CacheOptions(download=False)
SHORT_TIMEOUTS = Timeouts(timeout=0.5, deadline=3, attempts=2, backoff=0.01)

SMALL_ARRAYS: dict[str, dict[catalog.Kind, np.ndarray]] = {
    split: {"images": np.full((4, 28, 28), number, np.uint8), "labels": np.arange(4, dtype=np.uint8) + np.uint8(number)}
    for number, split in enumerate(catalog.SPLITS)
}
SMALL = catalog.Dataset(
    name="small",
    title="a dataset of the tests",
    files={
        split: {
            kind: catalog.File(f"{split}-{kind}", array.shape, hashlib.sha256(idx.encode(array)).hexdigest())
            for kind, array in arrays.items()
        }
        for split, arrays in SMALL_ARRAYS.items()
    },
    class_names=tuple("01234"),
    mirrors=("http://127.0.0.1:9/nowhere/",),
    licence="none",
    bibtex="none",
)
LABELS = SMALL.files["train"]["labels"]
LABELS_CONTENT = idx.encode(SMALL_ARRAYS["train"]["labels"])

DISTANT = catalog.MNIST_5K._replace(name="distant", mirrors=("http://127.0.0.1:9/",))
IMAGES = DISTANT.files["test"]["images"]
BODY = (cache.embedded_folder(catalog.MNIST_5K) / IMAGES.archive).read_bytes()
CONTENT = gzip.decompress(BODY)
PATH = f"/{IMAGES.archive}"


def put_up(mirror: Mirror, compress: bool = True) -> None:
    """Put all files of SMALL on the mirror."""
    for split, arrays in SMALL_ARRAYS.items():
        for kind, array in arrays.items():
            content = idx.encode(array)
            mirror.answers[f"/{split}-{kind}.gz"] = gzip.compress(content) if compress else content
