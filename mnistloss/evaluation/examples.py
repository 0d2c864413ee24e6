"""What is kept of every example of checked predictions, for views that look at them one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays.checks import Array, Floats, block_targets
from mnistloss.datasets.load import load_split
from mnistloss.datasets.settings import CACHE_DEFAULTS, CacheOptions
from mnistloss.document import Lines, Part, Pictures
from mnistloss.errors import ArgumentError, InputError, UnavailableError
from mnistloss.evaluation.evaluate import Findings, ScoreOptions, default_losses
from mnistloss.evaluation.hints import Hint
from mnistloss.evaluation.predictions import check_probabilities
from mnistloss.evaluation.scoring import Block, DataOptions, Digest, Predictions, Tally, open_scoring
from mnistloss.evaluation.signature import Signature
from mnistloss.formatting import shown
from mnistloss.losses.losses import LOSSES, Loss
from mnistloss.losses.outputs import OUTPUTS

KEPT: Mapping[str, Callable[[Block], Array]] = {
    "predicted": lambda block: block.outputs.predicted,
    "p of the label": lambda block: block.outputs.p.reshape(-1).take(block.outputs.flat_index(block.t)),
    "outputs": lambda block: block.outputs.scores,
}
"""What can be kept of a block but losses: predicted classes (n,), probabilities (n,), and all outputs (K, n)."""

ALL = ("p of the label", "outputs")
"""To be kept where every loss, whatever its delta, and every probability is to be had."""


@dataclass(frozen=True)
class Scores:
    """N checked predictions, of which is in memory what was asked for, with their targets.

    t: labels (N,), or soft rows (N, K). values: per-example losses (N,) by name. kept: see `KEPT`.
    signed: the signature of all losses; see `signature`.
    indices: which examples of the split these are; None for all of them in order, and for own targets.
    hints: what looks like a mistake, as `evaluate` finds it.
    """

    name: str
    dataset: str | None
    split: str | None
    classes: int
    input: str
    delta: float
    t: Array = field(repr=False)
    values: Mapping[str, Floats] = field(repr=False)
    kept: Mapping[str, Array] = field(repr=False)
    signed: Signature
    indices: Array | None = field(default=None, repr=False)
    cache_options: CacheOptions = field(default=CACHE_DEFAULTS, repr=False)
    hints: tuple[Hint, ...] = ()

    @property
    def n(self) -> int:
        return len(self.t)

    def losses(self, name: str, delta: float | None = None) -> Floats:
        """The per-example losses (N,) of that name, with another delta if one is given.

        Predicted classes have the loss "error" only; others raise InputError.
        """
        if LOSSES[name].needs_probabilities:
            check_probabilities(shown(self.name), self.input, self.n, name)
        if delta is None and name in self.values:
            return self.values[name]
        targets = block_targets(self.t, slice(0, self.n))
        return LOSSES[name](self.outputs, targets, self.delta if delta is None else delta)

    def signature(self, name: str) -> Signature:
        """What the loss of that name depends on."""
        return self.signed.of(name, uses_delta=LOSSES[name].uses_delta)

    @property
    def unnormalized(self) -> bool:
        """Whether some row of probabilities does not sum to 1, as far as rounding allows."""
        if not self.signed.unnormalized:
            return False
        return bool(np.abs(self.probabilities().sum(axis=0) - 1).max() > 1e-3)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The predicted classes (N,)."""
        return self.kept["predicted"]

    @cached_property
    def outputs(self) -> Any:
        """All examples as one block, (K, N); see `outputs.Outputs`. They must have been kept."""
        return OUTPUTS[self.input](self.kept["predicted" if self.input == "labels" else "outputs"])

    @property
    def labels(self) -> NDArray[np.intp]:
        """The labels (N,); soft targets have none and raise InputError."""
        if self.t.ndim != 1:
            raise InputError(f"{shown(self.name)}: the targets are soft rows; this needs a label for each example")
        return self.t

    def probabilities(self) -> Floats:
        """Probabilities (K, N); predicted classes have none and raise InputError."""
        check_probabilities(shown(self.name), self.input, self.n, "this")
        p: Floats = self.outputs.p
        return p

    def positions(self) -> NDArray[np.intp]:
        """The index in the split of each example."""
        return np.arange(self.n) if self.indices is None else self.indices.astype(np.intp)

    def images(self, rows: Array) -> NDArray[np.uint8] | None:
        """The images of some examples, (len(rows), 28, 28); None for the user's own targets."""
        if self.dataset is None or self.split is None:
            return None
        images: NDArray[np.uint8] = load_split(self.dataset, self.split, self.cache_options).images[
            self.positions()[rows]
        ]
        return images

    def pictures(self, rows: Array, captions: tuple[str, ...]) -> list[Part]:
        """The images of some examples under their captions; where these are not to be had, a line that says so."""
        labels = self.t[rows] if self.t.ndim == 1 else ["by a soft row"] * len(rows)
        named = zip(self.positions()[rows], labels, self.predicted[rows], strict=True)
        alts = tuple(f"example {index}, labelled {label}, predicted {predicted}" for index, label, predicted in named)
        try:
            images = self.images(rows)
        except UnavailableError as error:
            return [Lines((f"No pictures: {error}",))]
        return [] if images is None else [Pictures(images, captions, alts)]


def load_examples(predictions: Predictions, selection: DataOptions, keep: Sequence[str] = ALL) -> Scores:
    """Check predictions as `evaluate` does, and keep of each example the losses and what of `KEPT` is named.

    What the predictions cannot have is left out; an unknown name raises ArgumentError.
    """
    if unknown := set(keep) - LOSSES.keys() - KEPT.keys():
        raise ArgumentError(f"nothing that can be kept is named {min(unknown)!r}")
    with open_scoring(predictions, selection) as scoring:
        layout, targets = scoring.layout, scoring.targets
        losses = [loss for loss in _possible(layout.input) if loss.name in (*default_losses(layout.input), *keep)]
        digest, tally = Digest(), Tally(scoring, losses, keep=[loss.name for loss in losses if loss.name in keep])
        known = (name for name in keep if name in KEPT and _known(name, layout.input, targets.t))
        columns = dict.fromkeys(("predicted", *known))
        parts: dict[str, list[Array]] = {name: [] for name in columns}
        for blocks in scoring.run(list, digest):
            tally.add(blocks)
            for name, block in itertools.product(columns, blocks):
                parts[name].append(KEPT[name](block))
        return Scores(
            name=scoring.name,
            dataset=targets.dataset,
            split=targets.split,
            classes=targets.classes,
            input=layout.input,
            delta=scoring.delta,
            t=targets.t.astype(np.intp) if targets.t.ndim == 1 else targets.t,
            values=tally.values,
            kept={name: np.concatenate(blocks, axis=-1) for name, blocks in parts.items()},
            signed=scoring.signature(tuple(LOSSES.values()), digest),
            indices=targets.chosen,
            cache_options=selection.cache_options,
            hints=Findings(scoring, ScoreOptions(), losses, tally).hints(selection.cache_options),
        )


def _possible(input: str) -> list[Loss]:
    """The losses that such predictions have."""
    return [loss for loss in LOSSES.values() if input != "labels" or not loss.needs_probabilities]


def _known(name: str, input: str, t: Array) -> bool:
    """Whether it is to be had of such predictions beside such targets."""
    return input != "labels" and (name != "p of the label" or t.ndim == 1)
