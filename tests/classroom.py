"""Prediction files of a class: most can be scored, and the others are wrong in the usual ways."""

import zipfile
from pathlib import Path

import numpy as np
from planted import honest

WRONG = {
    "logits": "values from .*outside .* --input logits",
    "shorter": "999 predictions, but mnist-5k has",
    "nan": "NaN or infinity in row 7",
    "from-1": "these are predicted classes",
    "zip": "a zip archive",
    "turned": r"shape \(10, 1000\)",
    "missing": "No such file or directory",
}
"""Names of files that are refused, and what their reasons say."""


def write_class(folder: Path, count: int) -> list[str]:
    """Write `count` good files, a float16 one, a CSV, a copy, a shuffled one and the wrong ones; return all names."""
    folder.mkdir(parents=True)
    rng, probs = np.random.default_rng(14), honest().probs
    for number in range(count):
        noisy = probs ** rng.uniform(0.3, 2)
        np.save(folder / f"student-{number:03}.npy", (noisy / noisy.sum(axis=1, keepdims=True)).astype(np.float32))
    np.save(folder / "float16.npy", probs.astype(np.float16))
    np.savetxt(folder / "table.csv", probs, delimiter=",")
    (folder / "copy.npy").write_bytes((folder / "student-000.npy").read_bytes())
    np.save(folder / "shuffled.npy", probs[rng.permutation(1000)])
    np.save(folder / "logits.npy", 9 * np.log(probs + 1e-3) + 20)
    np.save(folder / "shorter.npy", probs[1:])
    np.save(folder / "nan.npy", np.where(np.arange(1000)[:, np.newaxis] == 7, np.nan, probs))
    np.save(folder / "from-1.npy", probs.argmax(axis=1) + 1)
    np.save(folder / "turned.npy", probs.T)
    with zipfile.ZipFile(folder / "zip.npy", "w") as archive:
        archive.writestr("model/readme.txt", "weights")
    return [*sorted(str(path) for path in folder.iterdir()), str(folder / "missing.npy")]
