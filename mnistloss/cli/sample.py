"""`mnistloss sample`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output
from mnistloss.formatting import counted, shown

if TYPE_CHECKING:
    from mnistloss.sampling.batches import Batch

_MAX_ROWS = 20


@click.command(
    "sample",
    epilog=options.examples("sample --batch-size 100 --seed 1 --out batch.npz", "sample --partition --batch-size 100"),
)
@click.option("--batch-size", type=options.FROM_ONE, default=10, help="Number of examples in a batch.")
@click.option("--batches", "count", type=options.FROM_ONE, default=1, help="Number of mini-batches to draw.")
@click.option("--replacement/--no-replacement", default=True, help="Draw mini-batches with or without replacement.")
@click.option("--stratified", is_flag=True, help="Draw the classes in the proportions of the split.")
@click.option("--partition", is_flag=True, help="Split all examples into disjoint batches instead of drawing.")
@click.option("--shuffle", is_flag=True, help="Shuffle the examples of a --partition.")
@click.option("--drop-last", is_flag=True, help="Leave out the smaller last batch of a --partition.")
@click.option("--seed", type=options.FROM_ZERO, help="Seed of the draw.  [default: a new one, which is printed]")
@options.dataset
@click.option("--split", type=options.SPLIT, default="train", help="Split to draw from.")
@options.form
@click.option(
    "--out",
    type=options.Destination(".npz", ".pkl", ""),
    help="Save one batch as .npz or .pkl, or several as a new folder of .npz.",
)
@click.option(
    "--picture",
    type=options.Destination(".png", package="PIL"),
    help="Also save a .png of the digits with index and label; needs [report].",
)
@options.cache
def command(
    batch_size: int,
    count: int,
    replacement: bool,
    stratified: bool,
    partition: bool,
    shuffle: bool,
    drop_last: bool,
    seed: int | None,
    out: Path | None,
    picture: Path | None,
    dataset: str,
    split: str,
    cache_dir: Path | None,
    download: bool,
    **form: bool,
) -> None:
    """Draw a mini-batch, or partition everything into batches.

    A mini-batch is drawn at random with replacement, so that an example may come twice; a partition has each once.
    """
    from mnistloss.datasets.load import Form, load_split
    from mnistloss.datasets.settings import CacheOptions
    from mnistloss.sampling.batches import mini_batches, partition_batches

    if partition and (stratified or not replacement or count > 1):
        raise click.UsageError("--partition cannot be combined with --stratified, --no-replacement or --batches")
    if not partition and (shuffle or drop_last):
        raise click.UsageError("--shuffle and --drop-last need --partition")
    if partition and seed is not None and not shuffle:
        raise click.UsageError("--seed has no effect on a --partition without --shuffle")
    if seed is None and (shuffle or not partition):
        seed = int.from_bytes(os.urandom(4))
    with output.download_progress() as progress:
        examples = load_split(dataset, split, CacheOptions(cache_dir, download, progress=progress))
    if partition:
        batches = partition_batches(examples, batch_size, Form(**form), seed, drop_last=drop_last)
    else:
        batches = mini_batches(
            examples, batch_size, Form(**form), seed, count=count, replacement=replacement, stratified=stratified
        )
    _save(batches, out, picture)
    _show(batches, seed, partition=partition, replacement=replacement, saved=out is not None)


def _save(batches: list[Batch], out: Path | None, picture: Path | None) -> None:
    if picture:
        import numpy as np

        from mnistloss.report import charts

        split, indices = batches[0].split, np.concatenate([batch.indices for batch in batches])
        captions = [f"{index}: {split.labels[index]}" for index in indices]
        charts.save_sheet(picture, split.images[indices], captions)
        output.note(f"drawn to {shown(picture)}")
    if out:
        from mnistloss.sampling.batches import save_batches

        with output.step_progress("saving", len(batches)) as progress:
            save_batches(out, batches, lambda count: progress(count, ""))
        number = counted(len(batches), "batch", "batches")
        output.note(f"saved {number} to {shown(out)}, with the arrays x, t, indices, dataset, split")


def _show(batches: list[Batch], seed: int | None, *, partition: bool, replacement: bool, saved: bool) -> None:
    from mnistloss.report import listings

    if partition:
        output.show(listings.partition(batches, seed))
        return
    console = output.console()
    for batch in batches:
        output.show(listings.sample(batch, _MAX_ROWS, seed, replacement=replacement, saved=saved))
        if console.is_terminal:
            output.show("", listings.digits(batch, _MAX_ROWS, console.width, colour=output.has_colour(console)))
