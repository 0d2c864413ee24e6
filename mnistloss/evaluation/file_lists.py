"""Which files to evaluate: names, folders, patterns, manifests, and the share of one job of an array."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from mnistloss.arrays.files import is_address
from mnistloss.errors import ArgumentError, InputError
from mnistloss.formatting import shown

SUFFIXES = (".npy", ".npz", ".csv")
"""The files of a folder that hold predictions; others must be named."""


def find_files(name: str) -> list[str]:
    """Return the files that a name stands for, sorted: of a folder, a pattern such as runs/*.npy, or an address.

    Any other name stands for itself. A pattern that matches nothing raises InputError.
    """
    if is_address(name):
        from mnistloss.evaluation.cluster import expand_address

        return expand_address(name)
    if os.path.isdir(name):
        files = glob.glob(os.path.join(glob.escape(name), "**", "*"), recursive=True)
        return sorted(f for f in files if f.lower().endswith(SUFFIXES) and not os.path.isdir(f)) or [name]
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    if not (files := sorted(glob.glob(name, recursive=True))):
        raise InputError(f"{shown(name)}: no file matches this pattern")
    return files


def read_manifest(stream: BinaryIO) -> Iterator[str]:
    """Yield the names in a list of files, one a line; empty lines and a byte order mark are left out."""
    for line in stream:
        if name := os.fsdecode(line.removeprefix(b"\xef\xbb\xbf")).strip("\r\n"):
            yield name


class Shard(NamedTuple):
    """A share of many files: every `jobs`-th file, from the file `job` on, counted from 0."""

    job: int
    jobs: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read K/N with K from 0 to N-1; anything else raises ArgumentError."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise ArgumentError(f"the shard is {text!r}; expected K/N with K from 0 to N-1, such as 0/4 to 3/4")
        return cls(int(match[1]), int(match[2]))

    def take(self, names: Iterable[Any]) -> Iterator[Any]:
        """Yield the names of this share."""
        return itertools.islice(names, self.job, None, self.jobs)

    def __str__(self) -> str:
        return f"{self.job}/{self.jobs}"
