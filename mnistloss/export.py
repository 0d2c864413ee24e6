"""Arrays -> files: .npz, .pkl (pickle protocol 5), or a folder of .npy."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnistloss.arrays import Array
from mnistloss.errors import ArgumentError, shown
from mnistloss.files import new_folder, replacing
from mnistloss.results import Evaluation
from mnistloss.samples import Batch


def save_array(path: str | os.PathLike[str], array: Array) -> None:
    """One array as a .npy file; a path that does not end in .npy raises ArgumentError."""
    target = Path(path)
    if target.suffix != ".npy":
        raise ArgumentError(f"{shown(path)} does not end in .npy")
    with replacing(target) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Named arrays as a .npz, as a .pkl of a dict, or, for a path without suffix, as a new folder of .npy files.

    Another suffix raises ArgumentError; nothing half-written is left.
    """
    target = Path(path)
    match target.suffix:
        case ".npz":
            with replacing(target) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **dict[str, Any](arrays))
        case ".pkl":
            with replacing(target) as temporary, temporary.open("wb") as stream:
                pickle.dump(dict(arrays), stream, protocol=5)
        case "":
            with new_folder(target) as temporary:
                for name, array in arrays.items():
                    np.save(temporary / f"{name}.npy", array)
        case other:
            raise ArgumentError(f"{shown(path)} ends in {other}; expected .npz, .pkl, or no suffix for a folder")


def save_losses(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """The per-example losses of an evaluation with reduction none: of one loss as .npy, of several as .npz by name."""
    values = {name: result.values for name, result in evaluation.losses.items() if result.values is not None}
    if Path(path).suffix == ".npy" and len(values) == 1:
        save_array(path, *values.values())
    elif Path(path).suffix == ".npz":
        save_arrays(path, values)
    else:
        expected = ".npy or .npz" if len(values) == 1 else ".npz, or one --loss and .npy"
        raise ArgumentError(f"{shown(path)} for {' and '.join(values)}: expected {expected}")


def save_batches(
    path: str | os.PathLike[str], batches: Sequence[Batch], progress: Callable[[int], None] | None = None
) -> None:
    """One batch as a .npz or .pkl file; several as a new folder of batch-NNNNN.npz files.

    Each holds x, t, indices, dataset and split. progress is called with the number of files written.
    """
    target = Path(path)
    if len(batches) == 1 and target.suffix in (".npz", ".pkl"):
        save_arrays(target, batches[0].arrays())
        return
    if target.suffix:
        raise ArgumentError(
            f"{shown(path)} for {len(batches):,} batch{'es' if len(batches) > 1 else ''}: expected "
            + ("a name without suffix, for a folder of .npz" if len(batches) > 1 else ".npz or .pkl")
        )
    with new_folder(target) as temporary:
        for number, batch in enumerate(batches):
            with (temporary / f"batch-{number:05d}.npz").open("wb") as stream:
                np.savez(stream, **dict[str, Any](batch.arrays()))
            if progress is not None:
                progress(number + 1)
