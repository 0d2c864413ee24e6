"""`explain example`: the terms of the loss of one example, compared with plain loops."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from test_report import printed

from mnistloss import evaluate, explain_example, softmax
from mnistloss.analysis.example import ExampleLoss
from mnistloss.datasets.load import load_split
from mnistloss.document import Lines, Pictures
from mnistloss.errors import ArgumentError, InputError
from mnistloss.report.terminal import render

COURSE = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]

FROM_PROBS = """\
predictions, row 0: label 2, predicted 2

 k        y_k  t_k  (y_k - t_k)²  t_k log(y_k + 1e-7)
 ───────────────────────────────────────────────────────────────────────────
 0  0.1000000    0     0.0100000                    0
 1  0.0500000    0     0.0025000                    0
 2  0.6000000    1     0.1600000           -0.5108255  true class, predicted
 3          0    0             0                    0
 4  0.0500000    0     0.0025000                    0
 5  0.1000000    0     0.0100000                    0
 6          0    0             0                    0
 7  0.1000000    0     0.0100000                    0
 8          0    0             0                    0
 9          0    0             0                    0
 Σ          1    1     0.1950000           -0.5108255

the losses of this example, from these sums; delta is 1e-7

      formula                        value
 ─────────────────────────────────────────
 mse  ½ Σ_k (y_k - t_k)²         0.0975000
 cee  -Σ_k t_k log(y_k + delta)  0.5108255

"""

FROM_LOGITS = """\
scores z and their softmax y_k = exp(z_k) / Σ_j exp(z_j)

 k        z_k  exp(z_k - max z)        y_k
 ─────────────────────────────────────────────────────
 0  0.3000000         0.0247235  0.0182113
 1  2.9000000         0.3328711  0.2451918  true class
 2  4.0000000                 1  0.7365969  predicted
 Σ                    1.3575946          1

The largest z and the largest y are of class 2: a prediction does not need the
softmax, the loss does.
predictions, row 0: label 1, predicted 2

 k        y_k  t_k  (y_k - t_k)²  t_k log y_k
 ────────────────────────────────────────────────────────
 0  0.0182113    0     0.0003317            0
 1  0.2451918    1     0.5697354   -1.4057145  true class
 2  0.7365969    0     0.5425750            0  predicted
 Σ          1    1     1.1126421   -1.4057145

the losses of this example, from these sums; delta is 0

      formula                        value
 ─────────────────────────────────────────
 mse  ½ Σ_k (y_k - t_k)²         0.5563210
 cee  -Σ_k t_k log(y_k + delta)  1.4057145

"""


def text(found: ExampleLoss, width: int = 80) -> str:
    return "".join(printed(render(part, width, pictures=False, colour=False), width) for part in found.parts())


def test_course_example() -> None:
    """The example of the course has the losses of the course, and the right terms."""
    found = explain_example([COURSE], 0, targets=[2])
    assert found.losses == {"mse": pytest.approx(0.0975), "cee": pytest.approx(0.510825457099338, rel=1e-14)}
    assert found.squares.round(12).tolist() == [0.01, 0.0025, 0.16, 0.0, 0.0025, 0.01, 0.0, 0.01, 0.0, 0.0]
    assert [k for k in range(10) if found.logs[k]] == [2]
    assert text(found) == FROM_PROBS


def test_scores_are_shown_with_their_softmax() -> None:
    """For logits, scores, exponentials and softmax are printed first; scores and softmax predict the same class."""
    found = explain_example([[0.3, 2.9, 4.0]], 0, targets=[1], input="logits")
    assert text(found) == FROM_LOGITS


@pytest.mark.parametrize("input", ["probs", "logits", "logprobs"])
def test_terms_are_those_of_a_loop(input: str, probs: np.ndarray) -> None:
    """Each term equals the formula, and the sums give the losses that `evaluate` computes for this example."""
    p = probs.astype(np.float64) / probs.astype(np.float64).sum(axis=1, keepdims=True)
    y = {"probs": p, "logits": np.log(p + 1e-30) + 5, "logprobs": np.log(p + 1e-30)}[input]
    each = evaluate(y, dataset="mnist-5k", input=input, delta=1e-7, losses=["mse", "cee"], reduction="none").losses
    for index in (0, 7, 999):
        found = explain_example(y, index, dataset="mnist-5k", input=input, delta=1e-7)
        label = index % 10
        assert (found.label, found.predicted, found.place) == (label, int(p[index].argmax()), index)
        for k, value in enumerate(p[index].tolist()):
            t = float(k == label)
            expected = (value, t, (value - t) ** 2, t * math.log(value + 1e-7))
            terms = (found.y[k], found.t[k], found.squares[k], found.logs[k])
            assert terms == pytest.approx(expected, rel=1e-9, abs=1e-28)
        values = {name: result.values for name, result in each.items()}
        assert found.losses == {name: value[index] for name, value in values.items() if value is not None}
        assert (found.squares.sum() / 2, -found.logs.sum()) == pytest.approx(tuple(found.losses.values()), rel=1e-12)


def test_scores_make_the_probabilities() -> None:
    """exp(z - max z) divided by its sum is y, even if exp(z) overflows."""
    z = np.array([[1000.0, 998.5, -2000.0]])
    found = explain_example(z, 0, targets=[0], input="logits")
    assert found.exponentials is not None
    np.testing.assert_allclose(found.exponentials / found.exponentials.sum(), softmax(z)[0], rtol=1e-14)
    np.testing.assert_allclose(found.y, softmax(z)[0], rtol=1e-14)
    assert explain_example(softmax(z), 0, targets=[0]).scores is None


def test_rounding_of_the_softmax() -> None:
    """If rounding makes the softmax of two different scores equal, another sentence is printed."""
    found = explain_example([[0.0, 1e-20, -1.0]], 0, targets=[0], input="logits")
    (sentence,) = [part for part in found.parts() if isinstance(part, Lines)]
    assert (found.y[0], found.predicted) == (found.y[1], 1)
    assert sentence.lines == ("The largest z is of class 1; after rounding, y is as large for class 0.",)


def test_soft_targets() -> None:
    """With soft targets, every class has a term, and no class is marked as true."""
    found = explain_example([[0.5, 0.3, 0.2]], 0, targets=[[0.25, 0.75, 0.0]])
    np.testing.assert_allclose(found.logs, [0.25 * math.log(0.5 + 1e-7), 0.75 * math.log(0.3 + 1e-7), 0], rtol=1e-12)
    np.testing.assert_allclose(found.squares, [0.0625, 0.2025, 0.04], rtol=1e-12)
    assert found.label is None
    assert "soft targets, predicted 0" in text(found)
    assert "true class" not in text(found)


def test_an_infinite_loss() -> None:
    """Without delta, a true class with probability 0 has an infinite loss: "infinite" in the table, null in JSON."""
    found = explain_example([[1.0, 0.0]], 0, targets=[1], delta=0)
    assert "-infinite" in text(found)
    document = found.as_dict()
    assert (document["losses"]["cee"], document["sums"]["t_log_y"], document["terms"][1]["t_log_y"]) == (None,) * 3
    assert document["losses"]["mse"] == 1.0


def test_the_digit_is_drawn() -> None:
    """The picture of an example of a split is printed, also if indices select the examples."""
    y = np.full((3, 10), 0.1)
    found = explain_example(y, 1, dataset="mnist-5k", split="test", indices=[5, 17, 900])
    (picture,) = [part for part in found.parts() if isinstance(part, Pictures)]
    assert (found.place, picture.captions) == (17, ("17: 7",))
    np.testing.assert_array_equal(picture.images[0], load_split("mnist-5k", "test").images[17])
    assert not [part for part in explain_example(y, 1, targets=[1, 2, 3]).parts() if isinstance(part, Pictures)]


@pytest.mark.parametrize("index", [3, 10**30])
def test_index_out_of_range(index: int) -> None:
    """An index that is too large or negative is refused."""
    with pytest.raises(ArgumentError, match=rf"index {index} is outside 0\.\.2, the rows of predictions"):
        explain_example([[0.5, 0.5]] * 3, index, targets=[0, 1, 1])
    with pytest.raises(ArgumentError, match="index is -1; expected at least 0"):
        explain_example([[0.5, 0.5]] * 3, -1, targets=[0, 1, 1])


def test_predicted_classes_are_refused() -> None:
    """Predicted classes have no terms."""
    with pytest.raises(InputError, match=r"these are predicted classes.*would need a probability for every class"):
        explain_example([0, 1, 1], 0, targets=[0, 1, 1], input="labels")


def test_json(cli: Cli, preds: Path, probs: np.ndarray) -> None:
    """JSON holds every term at full precision, and the scores of logits."""
    arguments = ("explain", "example", preds, "--index", "7", "--dataset", "mnist-5k", "--format", "json")
    said = json.loads(cli(*arguments).stdout, parse_constant=pytest.fail)["example"]
    assert list(said) == [
        "predictions", "index", "dataset", "split", "example", "input", "delta", "label", "predicted",
        "terms", "sums", "losses",
    ]  # fmt: skip
    assert [term["y"] for term in said["terms"]] == probs[7].astype(float).tolist()
    assert list(said["terms"][0]) == ["class", "y", "t", "squared_difference", "t_log_y"]
    logits = json.loads(cli(*arguments, "--input", "logits").stdout)["example"]
    assert list(logits["terms"][0])[-2:] == ["score", "exponential"]
    assert "score" not in logits["sums"]


def test_command(cli: Cli, preds: Path, tmp_path: Path) -> None:
    """Names are printed safely; a missing or a wrong index is a usage error."""
    odd = preds.rename(tmp_path / "a[b]\x1b.npy")
    done = cli("explain", "example", odd, "--index", "7", "--dataset", "mnist-5k")
    assert "a[b]\\x1b.npy, row 7: label 7, predicted" in done.stdout
    for index in (("--index", "1000"), ("--index", "-1"), ()):
        assert cli("explain", "example", odd, *index, "--dataset", "mnist-5k").exit_code == 2
    assert cli("explain", "example", tmp_path / "none.npy", "--index", "0").exit_code == 1
