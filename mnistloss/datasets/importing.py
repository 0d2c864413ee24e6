"""Files that are already on this machine -> the cache. The content decides what a file is, not its name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mnistloss.datasets import cache
from mnistloss.datasets.catalog import DATASETS, Dataset, File
from mnistloss.datasets.content import inflate
from mnistloss.errors import IntegrityError, UnavailableError, shown

_PLAUSIBLE = re.compile(r"(train|t10k|test).*(images|labels)", re.IGNORECASE)


@dataclass(frozen=True)
class Imported:
    """What an import found: the files it put into the cache, and what it could not use, with the reason."""

    files: tuple[cache.Obtained, ...]
    refused: tuple[tuple[Path, str], ...]


def import_files(
    source: str | os.PathLike[str],
    dataset: Dataset,
    files: Iterable[File],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Imported:
    """Put the wanted files of a dataset that `source` holds into the cache.

    `source` is one file, or a folder that is searched with its sub-folders; files may be gzipped or raw IDX.
    From a folder all wanted files must come, from a single file that one.
    Raises UnavailableError that names what is missing and what else was found.
    """
    source = Path(source).expanduser()
    wanted = {file.sha256: file for file in files}
    limit = max(file.size for file in wanted.values())
    found: dict[str, cache.Obtained] = {}
    refused = []
    for path in _candidates(source):
        try:
            content = inflate(_read(path, limit), limit)
        except (OSError, IntegrityError) as error:
            refused.append((path, str(error)))
            continue
        digest = hashlib.sha256(content).hexdigest()
        if digest not in wanted:
            refused.append((path, _recognised(digest)))
        elif digest not in found:
            target = cache.folder(cache_dir) / dataset.name / wanted[digest].name
            cache.store(target, content)
            found[digest] = cache.Obtained(dataset, wanted[digest], content, "disk", target)
    missing = [file.name for digest, file in wanted.items() if digest not in found]
    if missing and (source.is_dir() or not found):
        raise UnavailableError(_complaint(source, dataset, missing, refused))
    return Imported(tuple(found.values()), tuple(refused))


def _candidates(source: Path) -> Iterator[Path]:
    if not source.exists():
        raise UnavailableError(f"{shown(source)} does not exist; --from takes a file or a folder")
    if not source.is_dir():
        yield source
        return
    for parent, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if _PLAUSIBLE.search(name) and path.is_file():
                yield path


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, no more than compressing `limit` incompressible ones could make."""
    if not path.is_file():
        raise IntegrityError("not a regular file")
    with path.open("rb") as stream:
        data = stream.read(limit + limit // 100 + 1024)
    if path.stat().st_size > len(data):
        raise IntegrityError(f"larger than any wanted file: {path.stat().st_size:,} bytes")
    return data


def _recognised(digest: str) -> str:
    for dataset in DATASETS.values():
        for file in dataset.select():
            if file.sha256 == digest:
                return f"{file.name} of {dataset.name}"
    return f"not a published file (SHA-256 {digest})"


def _complaint(source: Path, dataset: Dataset, missing: list[str], refused: list[tuple[Path, str]]) -> str:
    lines = [f"{shown(source)} does not hold {', '.join(missing)} of {dataset.name}"]
    lines += [f"  {shown(path)}: {reason}" for path, reason in refused]
    if not refused:
        lines.append("  no file there has a name like train-images-idx3-ubyte.gz; point --from at one to try it")
    return "\n".join(lines)
