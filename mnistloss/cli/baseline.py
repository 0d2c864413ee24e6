"""`mnistloss baseline`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mnistloss.cli import options, output


@click.command("baseline")
@click.argument("name", type=options.OneOf("mnistloss.models.baselines", "BASELINES"))
@click.option(
    "--out", type=options.Destination(".npy"), required=True, help="The .npy file to write the predictions to."
)
@options.dataset
@click.option("--split", type=options.SPLIT, default="test", help="The split to predict.")
@click.option("--epochs", type=options.FROM_ONE, default=10, help="softmax: passes over the training split.")
@click.option("--learning-rate", type=options.POSITIVE, default=0.5, help="softmax: step size of gradient descent.")
@click.option("--batch-size", type=options.FROM_ONE, default=100, help="softmax: examples in a mini-batch.")
@click.option("--seed", type=options.FROM_ZERO, default=0, help="softmax: seed of the order of the examples.")
@click.option(
    "--weights-out", type=options.Destination(".npz"), help="softmax: also save its weights, W (784, 10) and b (10,)."
)
@options.cache_dir
@options.offline
def command(
    name: str,
    out: Path,
    dataset: str,
    split: str,
    weights_out: Path | None,
    cache_dir: Path | None,
    offline: bool,
    **training: Any,
) -> None:
    """Write the predictions of a baseline, and show its scores.

    \b
    uniform   the same probability for every class
    prior     the share of each class in the training split
    centroid  the class whose mean image is nearest
    softmax   a softmax regression, trained with mini-batches
    """
    from mnistloss.arrays.save import save_array, save_arrays
    from mnistloss.datasets.catalog import SPLITS
    from mnistloss.models.baselines import fit_baseline
    from mnistloss.models.softmax_regression import SoftmaxRegression, TrainingOptions
    from mnistloss.report import tables

    if weights_out and name != "softmax":
        raise click.UsageError(f"{name} has no weights; --weights-out goes with softmax")
    training_options = TrainingOptions(**training)
    with output.step_progress("training", training_options.epochs) as progress:
        fitted = fit_baseline(
            name,
            training_options,
            dataset=dataset,
            cache_dir=cache_dir,
            download=not offline,
            progress=lambda epoch, loss: progress(epoch, f"loss {loss:.4f}"),
        )
    save_array(out, fitted.predict(split))
    if weights_out and isinstance(fitted.model, SoftmaxRegression):
        save_arrays(weights_out, fitted.model.arrays())
    output.show(tables.baseline(fitted, [fitted.evaluate(split) for split in SPLITS]))
