"""Charts: in a terminal against literal texts, and as pictures that a page can hold."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Cli
from rich.text import Text
from test_report import printed

from mnistloss.cli import output
from mnistloss.document import Axis, Chart, Curve, Lines
from mnistloss.errors import ArgumentError, MissingExtraError
from mnistloss.report import charts
from mnistloss.report.terminal import render_chart

ONE = Chart(
    "a [bold] parabola", Axis("weight"), Axis("loss, nats"),
    (Curve("loss", tuple(float(x) for x in range(-4, 5)), tuple(float(x * x) for x in range(-4, 5))),),
)  # fmt: skip
FOUR = Chart(
    "what tells curves apart", Axis("step"), Axis("loss, nats"),
    (
        Curve("mini-batch", (0, 2, 4, 6), (3, 1, 3.5, 1.5), "points"),
        Curve("train", (0, 6), (4, 0)),
        Curve("test", (0, 6), (0, 4)),
        Curve("floor", (0, 3, 6), (0, 1, 1), "steps"),
    ),
)  # fmt: skip

PARABOLA = """\
a [bold] parabola
loss, nats
16 │⠱⡀                                ⢀⠎
   │ ⠘⡄                              ⢠⠃
   │  ⠈⢆                            ⡰⠁
   │    ⠣⣀                        ⣀⠜
   │      ⠣⡀                    ⢀⠜
   │       ⠈⠢⡀                ⢀⠔⠁
   │         ⠈⠒⠤⡀          ⢀⠤⠒⠁
 0 │            ⠈⠑⠒⠤⠤⣀⣀⠤⠤⠒⠊⠁
   └────────────────────────────────────
    -4             weight              4
"""

CROSSING = """\
what tells curves apart
loss, nats
4 │⠉⠒⠤⢄⣀                               ⣀ ⠠⠒⠁
  │     ⠉⠒⠢⢄⣀                 ⠁   ⢀⡠⠄ ⠉
  │⠁         ⠉⠑⠢⠤⣀⡀         ⢀⡀ ⠔⠊
  │               ⠈⠑⠒⠤⣀⡀⣀⠤ ⠈⠁
  │               ⢀ ⠠⠒⠁⠈⠉⠒⠤⢄⡀              ⢀
  │          ⢀⡠⠄⢀⠉⠁    ⡀⢀ ⡀⢀⠈⡉⢒⠢⣄⣀ ⡀⢀ ⡀⢀ ⡀⢀
  │     ⡀ ⠔⠊           ⠄          ⠉⠑⠢⠤⣀
0 │⣀⢤ ⡈⢉ ⡀⢀ ⡀⢀ ⡀⢀ ⡀⢀ ⡀⢀⠂               ⠉⠑⠒⠤⣀
  └─────────────────────────────────────────
   0                 step                  6
⡀⠂⠠⠈ mini-batch   ⠤⠤⠤⠤ train   ⠤⠤ ⠠ test   ⠄⠠ ⠄ floor
"""

GAPS = """\
g
y, log scale
    1 │       ⠈
      │
      │
      │
      │
      │
      │
0.001 │                      ⢀
      └───────────────────────
       1          x          4
"""


def test_one_curve() -> None:
    """The axes have names and ends, brackets are text, and one curve needs no legend."""
    assert printed(render_chart(ONE, 40)) == PARABOLA


def test_several_curves() -> None:
    """Without colour, curves differ by their dashes, and the legend shows them."""
    assert printed(render_chart(FOUR, 44)) == CROSSING


def test_colours_are_only_added() -> None:
    """In the legend each piece has the colour of its curve."""
    legend = list(render_chart(FOUR, 44).renderables)[-2]
    assert isinstance(legend, Text)
    assert [str(span.style) for span in legend.spans if span.style][::4] == ["cyan", "yellow", "magenta", "green"]


def test_what_cannot_stand_on_an_axis() -> None:
    """Infinity and NaN leave gaps, as do values that have no logarithm; the ends are those of what stands."""
    gaps = Chart("g", Axis("x"), Axis("y", log=True), (Curve("c", (1, 2, 3, 4), (math.inf, 1, 0, 1e-3)),))
    assert printed(render_chart(gaps, 30)) == GAPS


@pytest.mark.parametrize("curves", [(), (Curve("c", (1,), (2,)),), (Curve("c", (1, 2), (math.nan, math.inf)),)])
def test_nothing_or_a_point(curves: tuple[Curve, ...]) -> None:
    """A chart without an extent is drawn nevertheless, with at most one dot."""
    text = printed(render_chart(Chart("t", Axis("x"), Axis("y"), curves), 30))
    assert len(re.findall("[⠁-⣿]", text)) == (len(curves[0].x) == 1 if curves else 0)
    assert len(text.split("\n")) == 13


def test_widths() -> None:
    """A chart is never wider than 80 columns, and never wider than asked for while that can be."""
    for width in (30, 80, 100, 500):
        lines = printed(render_chart(FOUR, width), width).split("\n")
        assert max(map(len, lines)) == min(width, 80)


def test_svg_says_what_it_shows() -> None:
    """Text is text, with what XML or matplotlib would read as their own escaped; a title and a description name it."""
    odd = replace(ONE, title="a <b> & $x_1$ \x1b 가", curves=(replace(ONE.curves[0], name="_loss"), *FOUR.curves))
    root = ElementTree.fromstring(charts.svg([odd, FOUR]))
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <b> & $x_1$ \\x1b 가", "_loss", "mini-batch", "weight", "step", "loss, nats"} <= set(texts)
    title, description = list(root)[:2]
    assert title.text == "a <b> & $x_1$ \\x1b 가; what tells curves apart"
    assert description.text is not None
    assert description.text.endswith(" mini-batch, train, test, floor: loss, nats by step. Drawn by mnistloss.")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_svg_keeps_to_itself() -> None:
    """No style reaches into the page, ids are a chart's own, every reference is within, and no date is said."""
    pictures = [charts.svg([ONE]), charts.svg([FOUR])]
    ids = [re.findall(r'\bid="([^"]+)"', picture) for picture in pictures]
    assert len(set(ids[0] + ids[1])) == len(ids[0]) + len(ids[1])
    for picture, own in zip(pictures, ids, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', picture)) <= set(own)
        assert not re.search(r"style|<metadata|<!--|<\?xml|20\d\d-", picture)


def test_every_colour_can_be_restyled() -> None:
    """Each colour of a chart has rules in STYLE, for what is filled and for what is drawn."""
    for attribute, colour in re.findall(r'(fill|stroke)="(#\w+)"', charts.svg([FOUR])):
        assert re.search(rf'\[{attribute}="{colour}"\] {{ {attribute}: var\(--[\w-]+, {colour}\) }}', charts.STYLE)


def test_marks_have_the_colours_of_their_use() -> None:
    """What is defined once has no colour of its own, which rules could not reach; where it is used it has one."""
    root = ElementTree.fromstring(charts.svg([FOUR]))
    svg = "{http://www.w3.org/2000/svg}"
    assert not [
        e for defined in root.iter(f"{svg}defs") for e in defined.iter() if "fill" in e.attrib or "stroke" in e.attrib
    ]
    assert {e.get("stroke") for e in root.iter(f"{svg}use")} == {charts.INK, charts.CURVES[0]}


def test_log_axis_has_plain_numbers() -> None:
    """Ticks of a log axis are numbers, not formulas."""
    picture = charts.svg([replace(FOUR, x=Axis("step", log=True))])
    assert ">10</text>" in picture.replace(">1</text>", ">10</text>")
    assert "mathdefault" not in picture


def test_bytes_are_the_same_whatever_the_user_set(tmp_path: Path) -> None:
    """Neither settings nor a cache folder that cannot be written change a byte, or are spoken of."""
    (tmp_path / "matplotlibrc").write_text(
        "axes.facecolor: red\nsvg.fonttype: path\nfigure.dpi: 7\nsavefig.bbox: tight"
    )
    (tmp_path / "file").touch()
    code = (
        "import sys; from pathlib import Path; from test_charts import ONE, FOUR; from mnistloss.report import charts;"
        "[charts.save([ONE, FOUR], Path(name)) for name in sys.argv[1:]];"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    path = os.pathsep.join(["tests", os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "MATPLOTLIBRC": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "file")}
    there = [tmp_path / "there.svg", tmp_path / "there.png"]
    done = subprocess.run(
        [sys.executable, "-c", code, *there], env=env, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for theirs in there:
        here = tmp_path / f"here{theirs.suffix}"
        charts.save([ONE, FOUR], here)
        assert here.read_bytes() == theirs.read_bytes()
    assert there[1].read_bytes().startswith(b"\x89PNG")


def test_bad_pictures(tmp_path: Path) -> None:
    """Another suffix and an empty list are refused, and nothing is written."""
    with pytest.raises(ArgumentError, match=r"x\.jpg ends in \.jpg; expected \.svg or \.png"):
        charts.save([ONE], tmp_path / "x.jpg")
    with pytest.raises(ArgumentError, match="there is no chart to draw"):
        charts.save([], tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"drawing needs matplotlib; .*pip install 'mnistloss\[report\]'"):
        charts.svg([ONE])


def test_save_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The charts among the parts are drawn to the file that is named, and a note says so; without a name nothing is."""
    output.save_plot(None, [ONE])
    output.save_plot(tmp_path / "a\n.svg", [Lines(("a line",)), ONE, FOUR])
    assert (tmp_path / "a\n.svg").read_text() == charts.svg([ONE, FOUR])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"drawn to {tmp_path}/a\\n.svg\n")


def test_a_missing_extra_is_said_before_any_work(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is learnt, drawn or printed where the picture that is asked for cannot be made."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for words in (("explain", "accuracy", "--plot"), ("sample", "--dataset", "mnist-5k", "--picture")):
        result = cli(*words, tmp_path / "x.png")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "pip install 'mnistloss[report]'" in result.stderr
