"""`mnistloss sample`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistloss.cli import options, output
from mnistloss.formatting import shown

if TYPE_CHECKING:
    from mnistloss.sampling.batches import Batch

_MAX_ROWS = 20


@click.command("sample")
@click.option("--batch-size", type=options.FROM_ONE, default=10, help="Number of examples in a batch.")
@click.option("--batches", "count", type=options.FROM_ONE, default=1, help="Number of mini-batches to draw.")
@click.option(
    "--replacement/--no-replacement", default=True, help="Whether an example may occur twice in a mini-batch."
)
@click.option("--stratified", is_flag=True, help="Draw the classes in the proportions of the split.")
@click.option("--partition", is_flag=True, help="Split all examples into disjoint batches instead of drawing.")
@click.option("--shuffle", is_flag=True, help="Shuffle the examples of a --partition.")
@click.option("--drop-last", is_flag=True, help="Leave out the smaller last batch of a --partition.")
@options.seed
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
    type=options.Drawing("PIL", ".png"),
    help="Also save a .png of the digits with index and label; needs [report].",
)
@options.cache_dir
@options.offline
def command(
    batch_size: int,
    count: int,
    replacement: bool,
    stratified: bool,
    partition: bool,
    shuffle: bool,
    drop_last: bool,
    seed: int | None,
    dataset: str,
    split: str,
    normalize: bool,
    flatten: bool,
    one_hot: bool,
    out: Path | None,
    picture: Path | None,
    cache_dir: Path | None,
    offline: bool,
) -> None:
    """Draw a mini-batch, or partition everything into batches."""
    from mnistloss.datasets.load import Form, load_split
    from mnistloss.datasets.settings import CacheOptions
    from mnistloss.report import tables
    from mnistloss.sampling.batches import mini_batches, partition_batches, save_batches

    if partition and (stratified or not replacement or count > 1):
        raise click.UsageError("--partition cannot be combined with --stratified, --no-replacement or --batches")
    if not partition and (shuffle or drop_last):
        raise click.UsageError("--shuffle and --drop-last need --partition")
    if partition and seed is not None and not shuffle:
        raise click.UsageError("--seed has no effect on a --partition without --shuffle")
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    form = Form(normalize, flatten, one_hot)
    with output.download_progress() as progress:
        examples = load_split(dataset, split, CacheOptions(cache_dir, not offline, progress=progress))
    if partition:
        batches = partition_batches(
            examples, batch_size, drop_last=drop_last, seed=seed if shuffle else None, form=form
        )
    else:
        batches = mini_batches(
            examples, batch_size, count=count, replace=replacement, stratified=stratified, seed=seed, form=form
        )
    if picture:
        _save_picture(picture, batches)
    if out:
        with output.step_progress("saving", len(batches)) as step:
            save_batches(out, batches, lambda saved: step(saved, ""))
        output.note(f"saved {len(batches):,} batch{'es' if len(batches) > 1 else ''} to {shown(out)}")
    if partition:
        output.show(tables.partition(batches, seed if shuffle else None))
    else:
        _show(batches, seed)


def _show(batches: list[Batch], seed: int) -> None:
    from mnistloss.report import tables

    console = output.console()
    for batch in batches:
        output.show(tables.sample(batch, _MAX_ROWS, seed))
        if console.is_terminal:
            output.show("", tables.digits(batch, _MAX_ROWS, console.width, colour=output.has_colour(console)))


def _save_picture(path: Path, batches: list[Batch]) -> None:
    import numpy as np

    from mnistloss.report import charts

    split, indices = batches[0].split, np.concatenate([batch.indices for batch in batches])
    captions = [f"{index}: {split.labels[index]}" for index in indices]
    charts.save_sheet(path, split.images[indices], captions)
    output.note(f"drawn to {shown(path)}")
