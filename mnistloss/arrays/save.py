"""Save arrays as .npy, .npz, .pkl (pickle protocol 5), or a folder of .npy files."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnistloss.arrays.checks import Array
from mnistloss.arrays.files import new_folder, replacing


def save_array(path: str | os.PathLike[str], array: Array) -> None:
    """Save one array as a .npy file."""
    with replacing(Path(path)) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Save named arrays as a .npz, as a .pkl of a dict or, for a path without suffix, as a new folder of .npy files.

    A file or folder is written completely or not at all.
    """
    target = Path(path)
    if not target.suffix:
        with new_folder(target) as temporary:
            for name, array in arrays.items():
                np.save(temporary / f"{name}.npy", array)
        return
    with replacing(target) as temporary, temporary.open("wb") as stream:
        if target.suffix == ".npz":
            np.savez(stream, **dict[str, Any](arrays))
        else:
            pickle.dump(dict(arrays), stream, protocol=5)
