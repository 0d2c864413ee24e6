"""The report page: one file that requests nothing, with all text escaped."""

import base64
import hashlib
import importlib.util
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from pages import Page
from PIL import Image
from planted import honest

from mnistloss import evaluate, formatting
from mnistloss.analysis.overview import Overview, build_report
from mnistloss.analysis.view import NotAvailable
from mnistloss.cli.output import with_options
from mnistloss.datasets.load import load_split
from mnistloss.document import Bars, Lines, Pictures, Table
from mnistloss.errors import ArgumentError
from mnistloss.evaluation.targets import DataKeywords
from mnistloss.report import formats, html

LABELS = np.arange(1000) % 10
OWN: DataKeywords = {"dataset": "mnist-5k"}
HOSTILE = '<b onclick="x">\'&[v2]{{ 7*7 }}.npy'


def fragment(part: object) -> str:
    parts = html._environment().get_template("parts.html").module
    return re.sub(r"\n+", "\n", str(parts.render(part))).strip()  # type: ignore[attr-defined]


@pytest.fixture
def overview(preds: Path) -> Overview:
    return build_report([preds], **OWN)


def test_table() -> None:
    """A table has a caption, headings with scopes, classes for numbers and shades, and escaped text."""
    part = Table("costs of <b>", ("class", ">n", ""), (("0", "1", "&"),), ((0.0, 1.0, 0.26),))
    assert fragment(part) == (
        '<div class="scroll" role="group" tabindex="0" aria-labelledby="table-1">\n<table class="shaded">\n'
        '<caption id="table-1"><span>costs of &lt;b&gt;</span></caption>\n<thead>\n<tr>\n'
        '<th scope="col">class</th>\n<th scope="col" class="number">n</th>\n<td></td>\n</tr>\n</thead>\n<tbody>\n<tr>\n'
        '<th scope="row" class="shade-0">0</th>\n<td class="number shade-10">1</td>\n<td class="shade-3">&amp;</td>\n'
        "</tr>\n</tbody>\n</table>\n</div>"
    )


def test_lines_and_bars() -> None:
    """Lines are paragraphs; bars without a chart are a table, with lengths relative to the largest."""
    assert fragment(Lines(("a < b", "c\x1b"))) == "<p>a &lt; b</p>\n<p>c\\x1b</p>"
    bars = fragment(Bars("how many", ("a", "b"), (1.0, 3.0), ("one", "three")))
    assert "details" not in bars
    assert re.findall(r'<rect width="([\d.]+)"', bars) == ["33.3", "100.0"]
    assert re.findall(r'scope="row">(\w+)</th>|<td>(\w+)</td>', bars) == [
        ("a", ""),
        ("", "one"),
        ("b", ""),
        ("", "three"),
    ]


def test_pictures() -> None:
    """A digit is an embedded PNG with a size and an alternative text."""
    images = load_split("mnist-5k", "test").images[:1]
    (picture,) = Page(fragment(Pictures(images, ("0: 7 as 1",), ("example 0, labelled 7",)))).named("img")
    assert (picture["alt"], picture["width"], picture["height"]) == ("example 0, labelled 7", "84", "84")
    content = base64.b64decode(picture["src"].removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), images[0])


def test_policy(overview: Overview) -> None:
    """The content security policy allows embedded pictures, and the page's own style and script by hash."""
    read = Page(html.render(overview))
    (policy,) = (m["content"] for m in read.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashes = {
        f"{name}-src": f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name in ("style", "script")
        for (text,) in [read.text[name]]
    }
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    assert rules == {**nothing, "img-src": "data:", **hashes}
    for _, attributes in read.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_nothing_is_requested(overview: Overview) -> None:
    """No element and no style rule refers to anything outside the page."""
    read = Page(html.render(overview))
    for name, attributes in read.elements:
        assert name not in ("iframe", "object", "embed", "base", "audio", "video")
        for key in ("src", "href", "xlink:href", "srcset", "poster", "action"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (name, attributes)
    assert not re.search(r"@import|url\(", read.text["style"][0])


def test_links_and_labels(overview: Overview) -> None:
    """Ids are unique, and every reference has its target, also where a file is given twice."""
    twice = build_report([overview.files[0].evaluation.predictions] * 2, **OWN)
    for page in (html.render(overview), html.render(twice)):
        elements = Page(page).elements
        ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        targets = {a["href"][1:] for _, a in elements if a.get("href", "").startswith("#")}
        targets |= {word for _, a in elements for word in a.get("aria-labelledby", "").split()}
        assert targets <= set(ids)
        assert len(targets) > 10


def test_signatures_and_scores(overview: Overview) -> None:
    """Each signature is in fixed type, also in a comparison; the scores stand in the cards and in no table again."""
    twice = build_report([overview.files[0].evaluation.predictions] * 2, **OWN)
    for page in (html.render(overview), html.render(twice)):
        assert page.count("|n:") >= 2
        assert "|n:" not in re.sub(r"<code>[^<]*</code>", "", page)
    (cards,) = re.findall(r'<dl class="cards">.*?</dl>', html.render(overview), re.DOTALL)
    loss = overview.files[0].evaluation.losses["cee"]
    shown = (f"{loss.value:.7f}", f"standard error {formatting.stderr(loss.stderr)}", "delta 1e-7", "95 % interval")
    assert all(text in cards for text in shown)
    assert page.count("standard error") == 2 * len(twice.files[0].evaluation.losses)


def test_hostile_names_and_notes(overview: Overview) -> None:
    """File names, titles and notes are escaped, and control characters in them become escapes."""
    file = overview.files[0]
    overview = Overview((replace(file, evaluation=replace(file.evaluation, predictions=f"{HOSTILE}\x1b")),))
    page = html.render(overview, note="</style><script>alert(1)</script>\x07")
    read = Page(page)
    assert len(read.named("script")) == 1
    assert not read.named("b")
    assert read.text["h1"] == [f"{HOSTILE}\\x1b"]
    assert "</style><script>alert(1)</script>\\x07" in read.text["p"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)
    assert Page(html.render(overview, title="<i>\x07")).text["h1"] == ["<i>\\x07"]


def test_same_input_same_bytes(preds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has no date, no random id and no path but the given names."""
    monkeypatch.chdir(preds.parent)
    overview = build_report([preds.name], **OWN)
    first = html.render(overview)
    assert first == html.render(overview)
    for folder in (preds.parent, Path(html.__file__).parents[2]):
        assert str(folder) not in first


def test_views_that_are_not_available(tmp_path: Path, cli: Cli) -> None:
    """Predicted classes and soft targets have a page too, which states which views are missing and why."""
    np.save(tmp_path / "classes.npy", LABELS)
    np.save(tmp_path / "y.npy", np.full((4, 2), 0.5))
    np.save(tmp_path / "soft.npy", np.full((4, 2), 0.5))
    hard = build_report([tmp_path / "classes.npy"], dataset="mnist-5k", input="labels")
    assert [name for name, view in hard.files[0].views.items() if isinstance(view, NotAvailable)] == [
        "calibration",
        "histogram",
        "worst",
    ]
    assert len(re.findall("Not available: .*predicted classes", html.render(hard))) == 3
    soft = build_report([tmp_path / "y.npy"], targets=tmp_path / "soft.npy")
    assert len(re.findall(r"Not available: .*y\.npy: the targets are soft rows", html.render(soft))) == 3
    assert "this needs a label for each example" in soft.as_dict()["files"][0]["views"]["worst"]["refused"]


def test_infinite_losses(tmp_path: Path) -> None:
    """Infinite losses are shown as infinite and counted."""
    np.save(tmp_path / "hard.npy", np.eye(10)[(LABELS + (LABELS == 3)) % 10])
    page = html.render(build_report([tmp_path / "hard.npy"], dataset="mnist-5k", delta=0))
    assert "Infinite losses, in no bin: 100." in page
    assert Page(page).text["strong"][0] == "infinite"
    assert "nan" not in Page(page).text["main"][0]


def test_several_files(tmp_path: Path, preds: Path, probs: np.ndarray) -> None:
    """Files are compared with the first one; the page states that different examples have no differences."""
    np.save(tmp_path / "better.npy", (probs + np.eye(10, dtype=np.float32)[LABELS]) / 2)
    np.save(tmp_path / "train.npy", np.full((4000, 10), 0.1))
    read = Page(html.render(build_report([preds, tmp_path / "better.npy"], **OWN)))
    assert any("better.npy is better than " in text for text in read.text["p"])
    assert [text for text in read.text["caption"] if text.startswith("cee on mnist-5k test, n = 1,000")]
    assert len(read.named("article")) == 2
    assert len(read.named("img")) == 20 + 20 + 10
    assert "90 % interval" in Page(html.render(build_report([preds, preds], **OWN, confidence=0.9))).text["table"][1]
    same = Page(html.render(build_report([preds, preds], **OWN)))
    assert not [caption for caption in same.text["caption"] if caption.startswith("where ")]
    apart = html.render(build_report([preds, tmp_path / "train.npy"], **OWN))
    assert "paired differences need predictions of the same examples" in apart
    with pytest.raises(ArgumentError, match="no predictions to report"):
        build_report([], **OWN)


def test_data_of_the_page(preds: Path, cli: Cli, overview: Overview) -> None:
    """`--format json` has all data of the page, with every bar and bin."""
    printed = cli("report", preds, "--dataset", "mnist-5k", "--format", "json").stdout
    assert printed == formats.document(report=with_options(overview.as_dict())) + "\n"
    (file,) = json.loads(printed, parse_constant=pytest.fail)["report"]["files"]
    assert file["evaluation"]["losses"]["cee"]["value"] == overview.files[0].evaluation.losses["cee"].value
    views = file["views"]
    assert sum(b["count"] for b in views["histogram"]["bins"]) == 1000
    assert sum(b["count"] for b in views["calibration"]["reliability"]) == 1000
    assert sum(views["lens"]["histogram"]["counts"]) == 10000
    assert np.sum(views["confusion"]["counts"]) == 1000
    assert len(views["worst"]["worst"]) == 20


def test_report_command(tmp_path: Path, preds: Path, cli: Cli) -> None:
    """The command writes the page and notes its path; --confidence is the level of its intervals."""
    out = tmp_path / "report.html"
    options = ("--dataset", "mnist-5k", "--confidence", 0.9, "--title", "T", "--note", "N", "-o", out)
    result = cli("report", preds, *options)
    assert (result.stdout, result.stderr) == ("", f"written to {out}\n")
    text = out.read_text("utf-8")
    assert text == html.render(build_report([preds], **OWN, confidence=0.9), title="T", note="N")
    assert "90 % interval" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a page goes to a file: -o report.html; --format json is printed"),
        (("-o", "r.htm"), "r.htm ends in .htm; expected .html"),
        (("-o", "nowhere/r.html"), "nowhere does not exist"),
        (("-o", "r.html", "--format", "json"), "--format json is printed"),
        (("-", "-", "-o", "r.html"), "standard input can be read once"),
    ],
)
def test_usage(arguments: tuple[str, ...], message: str, preds: Path, cli: Cli) -> None:
    """Wrong options are usage errors, raised before anything is read."""
    result = cli("report", preds, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_the_extra(tmp_path: Path, preds: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the command names the extra to install, and JSON needs none."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = cli("report", preds, "--dataset", "mnist-5k", "-o", tmp_path / "r.html")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: a report needs jinja2; install it with: pip install 'mnistloss[report]', or pipx install --force"
        " 'mnistloss[report]', or run it by uvx --from 'mnistloss[report]' mnistloss\n"
    )
    assert not (tmp_path / "r.html").exists()
    assert cli("report", preds, "--dataset", "mnist-5k", "--format", "json").exit_code == 0


def test_honest_predictions() -> None:
    """A page is a tenth of a megabyte and shows the losses, the accuracy, and twenty digits from the costliest on."""
    y = honest().probs
    page = html.render(build_report([y], **OWN))
    read, result = Page(page), evaluate(y, **OWN)
    assert 50_000 < len(page.encode()) < 200_000
    losses = [f"{loss.value:.7f}" for loss in result.losses.values()]
    assert read.text["strong"][:3] == [*losses, f"{result.accuracy.value:.4f}".rstrip("0")]
    costliest = y[np.arange(1000), LABELS].argmin()
    labelled = f"example {costliest}, labelled {LABELS[costliest]}, predicted {y[costliest].argmax()}"
    assert read.named("img")[0]["alt"] == labelled
    assert len(read.named("img")) == 20
    assert [figure["class"] for figure in read.named("svg") if figure.get("role") == "img"] == ["chart"] * 3
