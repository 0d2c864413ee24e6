"""Put together what a terminal shows of registries, files and batches: losses, views, datasets, mini-batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from mnistloss.datasets.cache import Entry, State
from mnistloss.datasets.catalog import SPLITS, Dataset
from mnistloss.document import Table
from mnistloss.formatting import shown
from mnistloss.report.terminal import render_digits, render_table, sentences

if TYPE_CHECKING:  # so that each command imports only what it prints
    from pathlib import Path

    from mnistloss.analysis.view import View
    from mnistloss.arrays.checks import Array
    from mnistloss.datasets.fetch import FetchResult
    from mnistloss.losses.losses import Loss
    from mnistloss.sampling.batches import Batch


def losses(registry: Sequence[Loss]) -> RenderableType:
    """Show the registry of losses."""
    title = "Losses of one example; y: probabilities, t: targets, k: classes"
    rows = tuple((loss.name, loss.formula, loss.meaning) for loss in registry)
    return render_table(Table(title, ("name", "formula", "meaning"), rows), bold=True)


def views(registry: Sequence[View]) -> RenderableType:
    """Show the registry of views."""
    rows = []
    for view in registry:
        options = (f"--{option.name.replace('_', '-')} {option.default:g}" for option in view.options)
        rows.append((view.name, view.meaning, ", ".join(options)))
    table = render_table(Table("", ("view", "what it shows", "options"), tuple(rows)), bold=True)
    return Group(table, *sentences("mnistloss inspect VIEW preds.npy; VIEW may be all"))


def fetch_result(result: FetchResult) -> RenderableType:
    """Show the files of a dataset, the folder of the files, and the files that an import could not use."""
    title, rows = result.files[0].dataset.title, []
    for item in result.files:
        dtype = "uint8" if item.file.itemsize == 1 else "int32"
        rows.append((item.file.name, f"{len(item.content):,}", str(item.file.shape), dtype, "SHA-256", item.origin))
    columns = ("file", ">bytes", "shape", "dtype", "verified", "from")
    folder = shown(result.files[0].path.parent)
    unusable = (f"not used: {item.location}: {item.reason}" for item in result.unusable)
    return Group(render_table(Table(title, columns, tuple(rows))), *sentences(folder, *unusable))


def cache_entries(entries: Sequence[Entry]) -> RenderableType:
    """Show the files in the cache, each verified or broken."""
    if not entries:
        return Text("nothing is cached")
    rows = []
    for entry in entries:
        verified = entry.state is State.VERIFIED
        size, verdict = (f"{entry.file.size:,}", "SHA-256") if verified else ("", f"broken: {entry.reason}")
        rows.append((entry.dataset.name, entry.file.name, size, verdict))
    table = Table("", ("dataset", "file", ">bytes", "verified"), tuple(rows))
    return Group(render_table(table), *sentences(*dict.fromkeys(shown(entry.path.parent) for entry in entries)))


def datasets(catalog: Sequence[Dataset]) -> RenderableType:
    """Show the catalog of datasets."""
    rows = []
    for dataset in catalog:
        counts = (f"{dataset.examples(split):,}" for split in SPLITS)
        rows.append((dataset.name, dataset.title, *counts, str(dataset.classes), dataset.licence))
    table = Table("", ("name", "title", ">train", ">test", ">classes", "licence"), tuple(rows))
    return Group(render_table(table, bold=True), *sentences("Citations: mnistloss datasets --cite NAME"))


def saved_arrays(path: Path, arrays: Mapping[str, Array]) -> RenderableType:
    """Show the arrays that were written to a file or folder."""
    rows = tuple((name, str(array.shape), str(array.dtype)) for name, array in arrays.items())
    return render_table(Table(f"written to {shown(path)}", ("array", "shape", "dtype"), rows))


def sample(batch: Batch, limit: int, seed: int | None, *, replacement: bool, saved: bool = False) -> RenderableType:
    """Show position, index and label of the first `limit` examples of a mini-batch, and the shapes of the arrays.

    If `saved` is true, the arrays have the names of a saved batch, x and t, else x_batch and t_batch.
    """
    split = batch.split
    how = "with replacement, so that an index may come twice" if replacement else "without replacement"
    title = f"{split.dataset.name} {split.name}: a mini-batch of {len(batch):,} from {len(split):,} examples"
    rows = [
        (str(position), str(index), _label(batch, position)) for position, index in enumerate(batch.indices[:limit])
    ]
    if len(batch) > limit:
        rows.append(("...", "", f"and {len(batch) - limit:,} more"))
    table = render_table(Table(title, (">position", ">index", "label"), tuple(rows)))
    suffix = "" if saved else "_batch"
    shapes = (f"{name}{suffix} {shape}" for name, shape in batch.shapes().items())
    lines = (f"drawn {how}", *shapes, f"seed {seed}")
    return Group(table, *sentences(*lines))


def digits(batch: Batch, limit: int, width: int, *, colour: bool) -> RenderableType:
    """Draw the images of the first `limit` examples of a mini-batch."""
    indices = batch.indices[:limit]
    captions = [f"{position}: {_label(batch, position)}" for position in range(len(indices))]
    return render_digits(batch.split.images[indices], captions, width, colour=colour)


def partition(batches: Sequence[Batch], seed: int | None) -> RenderableType:
    """Show how many batches a partition has, and their sizes."""
    split, last = batches[0].split, batches[-1]
    rows = [
        ("examples", f"{len(split):,}"),
        ("batches", f"{len(batches):,}"),
        ("examples in a batch", f"{len(batches[0]):,}"),
        ("examples in the last batch", f"{len(last):,}"),
        ("examples covered, each once", f"{sum(map(len, batches)):,}"),
        *([] if seed is None else [("seed of the shuffle", str(seed))]),
    ]
    return render_table(Table(f"{split.dataset.name} {split.name} in disjoint batches", ("", ">"), tuple(rows)))


def _label(batch: Batch, position: int) -> str:
    """Return the label of an example, with the name of the class if this is more than the label."""
    label = int(batch.split.labels[batch.indices[position]])
    name = batch.split.dataset.class_names[label]
    return name if name == str(label) else f"{label} {name}"
