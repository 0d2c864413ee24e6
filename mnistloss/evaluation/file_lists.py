"""Which files to evaluate: names, folders, patterns, manifests, and the share of one job of an array."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from mnistloss.errors import ArgumentError, InputError
from mnistloss.evaluation.many import is_address
from mnistloss.formatting import shown

SUFFIXES = (".npy", ".npz", ".csv")
"""The files of a folder that hold predictions; others must be named."""


def find_files(name: str) -> list[str]:
    """Return the files that a name stands for, sorted: of a folder, a pattern such as runs/*.npy, or an address.

    The name itself, if it is that of a file or fits nothing. An empty folder raises InputError.
    """
    if is_address(name):
        from mnistloss.evaluation.cluster import find

        return find(name)
    if os.path.isdir(name):
        files = glob.glob(os.path.join(glob.escape(name), "**", "*"), recursive=True)
        if not (found := sorted(file for file in files if file.endswith(SUFFIXES) and os.path.isfile(file))):
            raise InputError(f"{shown(name)}: the folder holds no file named {', '.join(SUFFIXES)}")
        return found
    return [name] if os.path.lexists(name) else sorted(glob.glob(name, recursive=True)) or [name]


def read_manifest(stream: BinaryIO) -> Iterator[str]:
    """Yield the names in a list of files, one a line; empty lines are left out."""
    for line in stream:
        if name := os.fsdecode(line).strip("\r\n"):
            yield name


def take_shard(names: Iterable[str], shard: str | None) -> Iterator[str]:
    """Yield every N-th name from the K-th on, for a shard K/N with K from 0 to N-1; None stands for 0/1."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", shard or "0/1")
    if match is None or int(match[1]) >= int(match[2]):
        raise ArgumentError(f"the shard is {shard!r}; expected K/N with K from 0 to N-1, such as 0/4 to 3/4")
    return itertools.islice(names, int(match[1]), None, int(match[2]))
