"""`mnistloss baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mnistloss.cli import options, output


@click.command(
    "baseline",
    epilog=options.examples("baseline prior --out prior.npy", "baseline softmax --dataset mnist-5k --out softmax.npy"),
)
@click.argument("name", type=options.OneOf("mnistloss.models.baselines", "BASELINES"))
@click.option("--out", type=options.Destination(".npy"), required=True, help="File to write the predictions to.")
@options.dataset
@click.option("--split", type=options.SPLIT, default="test", help="Split to predict.")
@options.training(epochs=10)
@click.option("--weights-out", type=options.Destination(".npz"), help="Also save the weights, W (784, 10) and b (10,).")
@options.cache
def command(
    name: str,
    out: Path,
    split: str,
    dataset: str,
    weights_out: Path | None,
    cache_dir: Path | None,
    download: bool,
    **training: Any,
) -> None:
    """Write the predictions of a baseline, and show its scores.

    \b
    uniform   the same probability for every class
    prior     the share of each class in the training split
    centroid  the class whose mean image is nearest
    softmax   a softmax regression, trained with mini-batches

    The options of the training and --weights-out are for softmax.
    """
    from mnistloss.arrays.save import save_array, save_arrays
    from mnistloss.datasets.catalog import SPLITS
    from mnistloss.datasets.settings import CacheOptions
    from mnistloss.models.baselines import fit_baseline
    from mnistloss.models.softmax_regression import SoftmaxRegression, TrainingOptions
    from mnistloss.report import tables

    if weights_out and name != "softmax":
        raise click.UsageError(f"{name} has no weights; --weights-out goes with softmax")
    with output.training_progress(training["epochs"]) as progress:
        result = fit_baseline(name, TrainingOptions(**training), dataset, CacheOptions(cache_dir, download), progress)
    save_array(out, result.predict(split))
    if weights_out and isinstance(result.model, SoftmaxRegression):
        save_arrays(weights_out, result.model.arrays())
    output.show(tables.baseline(result, [result.evaluate(split) for split in SPLITS]))
