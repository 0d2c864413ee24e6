"""Results other than the mean: classes, batches, top-k, references, intervals, signatures."""

import csv
import io
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from digits import LABELS, on_5k, refused
from hypothesis import given
from hypothesis import strategies as st

import mnistloss
from mnistloss import evaluate, mean_squared_error


def test_signature_hash_is_of_the_rows(tmp_path: Path) -> None:
    """The same rows in the same dtype have the same hash, whatever the order in memory or in the file."""
    y = np.full((1000, 10), 0.1, np.float32)
    y[3, 2:4] = 0.05, 0.15
    np.save(tmp_path / "f.npy", np.asfortranarray(y))
    hashes = {on_5k(p).signature.predictions for p in (y, np.asfortranarray(y), tmp_path / "f.npy")}
    assert len(hashes) == 1
    assert on_5k(y[::-1]).signature.predictions not in hashes


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 300), batch=st.integers(1, 320))
def test_batches_and_their_weighted_mean(seed: int, n: int, batch: int) -> None:
    """The mean of batch losses, weighted by batch size, is the loss; the unweighted mean differs."""
    rng = np.random.default_rng(seed)
    y, t = rng.dirichlet(np.ones(10), n), rng.integers(0, 10, n)
    result = evaluate(y, targets=t, batch_size=batch)
    batches = result.batches or ()
    assert [b.start for b in batches] == list(range(0, n, batch))
    assert sum(b.n for b in batches) == n
    weighted = math.fsum(b.n * b.losses["cee"] for b in batches) / n
    np.testing.assert_allclose(weighted, result.losses["cee"].value, rtol=1e-12)
    np.testing.assert_allclose(batches[0].losses["mse"], mean_squared_error(y[:batch], t[:batch]), rtol=1e-12)


def test_per_class(probs: np.ndarray) -> None:
    """The loss of a class is that of its examples alone; the weighted mean is the loss, and shares add up to 1."""
    result = on_5k(probs, per_class=True)
    rows = result.per_class or ()
    for row in rows:
        alone = evaluate(probs[row.label :: 10], targets=np.full(100, row.label))
        assert row.losses["cee"] == pytest.approx(alone.losses["cee"].value, rel=1e-12)
        assert row.accuracy == pytest.approx(alone.accuracy.value)
    assert sum(row.shares["mse"] for row in rows) == pytest.approx(1)
    assert sum(row.n * row.losses["cee"] for row in rows) / 1000 == pytest.approx(result.losses["cee"].value)
    one_infinite = probs.copy()
    one_infinite[3, 3], one_infinite[3, 4] = 0, probs[3, 3] + probs[3, 4]
    rows = on_5k(one_infinite, per_class=True, losses="nll").per_class or ()
    assert [math.isnan(row.shares["nll"]) for row in rows] == [True] * 10


def test_sums_by_class_and_batch(probs: np.ndarray, tmp_path: Path, cli: Cli) -> None:
    """With --reduction sum, the losses of classes and batches are sums, and the headings say so."""
    result = on_5k(probs, reduction="sum", per_class=True, batch_size=300)
    for parts in (result.per_class, result.batches):
        assert math.fsum(part.losses["cee"] for part in parts or ()) == pytest.approx(result.losses["cee"].value)
    np.save(tmp_path / "y.npy", probs)
    options = "--dataset mnist-5k --reduction sum --per-class --batch-size 300"
    command = ("eval", tmp_path / "y.npy", *options.split())
    printed = cli(*command).stdout
    assert "by class, sums" in printed
    assert "4 batches in row order; their sum is the value above" in printed
    (row,) = csv.DictReader(io.StringIO(cli(*command, "--format", "csv").stdout))
    assert math.fsum(float(row[f"cee.{k}"]) for k in range(10)) == pytest.approx(float(row["cee"]))


def test_top_k(probs: np.ndarray) -> None:
    """The top-k accuracy equals that of a plain loop over sorted rows; of equal outputs, the lowest class is first."""
    y = np.round(probs.astype(np.float64), 1)
    result = on_5k(y, top=[1, 3, 10], allow_unnormalized=True)
    for k in (1, 3, 10):
        ranked = [sorted(range(10), key=lambda c: (-row[c], c))[:k] for row in y]
        assert result.top[k].value == np.mean([t in top for t, top in zip(LABELS, ranked, strict=True)])
    assert result.top[1].value == result.accuracy.value
    assert "these are predicted classes" in refused(LABELS, input="labels", top=[2])
    assert "need a label for each example" in refused(y, targets=np.full((1000, 10), 0.1), per_class=True)


def test_references(probs: np.ndarray) -> None:
    """References equal the losses of files that hold these constant predictions; skill compares with the prior."""
    t = np.random.default_rng(1).choice(10, 1000, p=np.arange(1, 11) / 55)
    prior = np.bincount(t, minlength=10) / 1000
    result = evaluate(probs, targets=t, losses=list(mnistloss.LOSSES))
    for name, p in (("uniform", np.full(10, 0.1)), ("prior", prior)):
        scored = evaluate(np.tile(p, (1000, 1)), targets=t, losses=list(mnistloss.LOSSES))
        for name_of_loss, loss in result.losses.items():
            assert loss.references[name] == pytest.approx(scored.losses[name_of_loss].value, rel=1e-12)
    cee = result.losses["cee"]
    assert cee.skill == pytest.approx(1 - cee.value / cee.references["prior"])
    assert evaluate(np.tile(prior, (1000, 1)), targets=t).losses["cee"].skill == pytest.approx(0, abs=1e-12)
    assert on_5k(LABELS, input="labels").losses["error"].references == {}


def test_one_example_has_no_interval() -> None:
    """A single example has no interval, with or without the bootstrap."""
    loss = evaluate(np.full(10, 0.1), targets=[3], bootstrap=100).losses["cee"]
    assert (loss.stderr, loss.ci, loss.draws) == (None, None, None)


def test_bootstrap(probs: np.ndarray) -> None:
    """A seed gives the same bootstrap interval again; it is near Hall's, and is scaled as the value is."""
    normal, one, again, other = (
        on_5k(probs, bootstrap=b, seed=s).losses["cee"].ci for b, s in ((0, 0), (2000, 1), (2000, 1), (2000, 2))
    )
    assert normal is not None
    assert one is not None
    assert one == again != other
    np.testing.assert_allclose(one, normal, atol=0.1 * (normal[1] - normal[0]))
    result = on_5k(probs, bootstrap=2000, seed=1, reduction="sum")
    document = result.losses["cee"].as_dict()
    assert (document["interval"], document["draws"], document["seed"]) == ("bootstrap", 2000, 1)
    assert (on_5k(probs).losses["cee"].as_dict()["interval"], result.accuracy.interval) == ("hall", "wilson")
    total = result.losses["cee"].ci
    assert total == pytest.approx((1000 * one[0], 1000 * one[1]), rel=1e-12)


def test_results_can_be_pickled(probs: np.ndarray) -> None:
    """An evaluation can be sent to another process."""
    result = on_5k(probs, per_class=True, batch_size=300, top=[2])
    assert pickle.loads(pickle.dumps(result)) == result
