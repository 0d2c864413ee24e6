"""Charts: in a terminal against literal texts, and as SVG and PNG."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Cli
from rich.text import Text
from test_report import printed

from mnistloss.cli import output
from mnistloss.document import Axis, Chart, Curve, Lines
from mnistloss.errors import ArgumentError
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
    """The axes have labels and ends, brackets are text, and a single curve has no legend."""
    assert printed(render_chart(ONE, 40)) == PARABOLA


def test_several_curves() -> None:
    """Curves differ by their dashes, also without colour, and the legend shows them."""
    assert printed(render_chart(FOUR, 44)) == CROSSING


def test_colours() -> None:
    """Each curve of the legend has its own colour."""
    legend = list(render_chart(FOUR, 44).renderables)[-2]
    assert isinstance(legend, Text)
    assert [str(span.style) for span in legend.spans if span.style][::4] == ["cyan", "yellow", "magenta", "green"]


def test_values_outside_of_an_axis() -> None:
    """Infinity, NaN and values without a logarithm leave gaps; the other values set the ends of the axis."""
    gaps = Chart("g", Axis("x"), Axis("y", log=True), (Curve("c", (1, 2, 3, 4), (math.inf, 1, 0, 1e-3)),))
    assert printed(render_chart(gaps, 30)) == GAPS


@pytest.mark.parametrize("curves", [(), (Curve("c", (1,), (2,)),), (Curve("c", (1, 2), (math.nan, math.inf)),)])
def test_no_extent(curves: tuple[Curve, ...]) -> None:
    """A chart of no points or of a single one is drawn, with at most one dot."""
    text = printed(render_chart(Chart("t", Axis("x"), Axis("y"), curves), 30))
    assert len(re.findall("[⠁-⣿]", text)) == (len(curves[0].x) == 1 if curves else 0)
    assert len(text.split("\n")) == 13


def test_widths() -> None:
    """A chart is as wide as the terminal, but at most 80 columns."""
    for width in (30, 80, 100, 500):
        lines = printed(render_chart(FOUR, width), width).split("\n")
        assert max(map(len, lines)) == min(width, 80)


def test_svg_text() -> None:
    """Text is text, with the markup of XML and matplotlib escaped; a title and a description name the picture."""
    odd = ONE._replace(title="a <b> & $x_1$ \x1b 가", curves=(ONE.curves[0]._replace(name="_loss"), *FOUR.curves))
    root = ElementTree.fromstring(charts.svg([odd, FOUR]))
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <b> & $x_1$ \\x1b 가", "_loss", "mini-batch", "weight", "step", "loss, nats"} <= set(texts)
    title, description = list(root)[:2]
    assert title.text == "a <b> & $x_1$ \\x1b 가; what tells curves apart"
    assert description.text is not None
    assert description.text.endswith(" mini-batch, train, test, floor: loss, nats by step. Drawn by mnistloss.")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_svg_is_self_contained() -> None:
    """No style affects the page, ids are unique, every reference is within the picture, and there is no date."""
    pictures = [charts.svg([ONE]), charts.svg([FOUR])]
    ids = [re.findall(r'\bid="([^"]+)"', picture) for picture in pictures]
    assert len(set(ids[0] + ids[1])) == len(ids[0]) + len(ids[1])
    for picture, names in zip(pictures, ids, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', picture)) <= set(names)
        assert not re.search(r"style|<metadata|<!--|<\?xml|20\d\d-", picture)


def test_every_colour_can_be_restyled() -> None:
    """Each colour of a chart has a rule in STYLE, as fill and as stroke."""
    colours = set(re.findall(r'(fill|stroke)="(#\w+)"', charts.svg([FOUR])))
    assert len(colours) > 4
    for attribute, colour in colours:
        assert re.search(rf'\[{attribute}="{colour}"\] {{ {attribute}: var\(--[\w-]+, {colour}\) }}', charts.STYLE)


def test_colours_of_marks() -> None:
    """A mark has its colour where it is used, and not in <defs>, where rules of a page would not reach it."""
    root = ElementTree.fromstring(charts.svg([FOUR]))
    svg = "{http://www.w3.org/2000/svg}"
    assert not [
        e for defs in root.iter(f"{svg}defs") for e in defs.iter() if "fill" in e.attrib or "stroke" in e.attrib
    ]
    assert {e.get("stroke") for e in root.iter(f"{svg}use")} == {charts.INK, charts.CURVES[0]}


def test_log_axis() -> None:
    """The ticks of a log axis are plain numbers, not formulas."""
    picture = charts.svg([FOUR._replace(x=Axis("step", log=True))])
    assert ">10</text>" in picture.replace(">1</text>", ">10</text>")
    assert "mathdefault" not in picture


def test_user_settings_change_no_byte(tmp_path: Path) -> None:
    """Neither the user's settings nor a cache folder that cannot be written change a byte or cause a message."""
    (tmp_path / "matplotlibrc").write_text(
        "axes.facecolor: red\nsvg.fonttype: path\nfigure.dpi: 7\nsavefig.bbox: tight", "utf-8"
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
        [sys.executable, "-c", code, *there],
        env=env,
        capture_output=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[1],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for theirs in there:
        here = tmp_path / f"here{theirs.suffix}"
        charts.save([ONE, FOUR], here)
        assert here.read_bytes() == theirs.read_bytes()
    assert there[1].read_bytes().startswith(b"\x89PNG")


def test_no_charts(tmp_path: Path) -> None:
    """An empty list is an error, and nothing is written."""
    with pytest.raises(ArgumentError, match="there is no chart to draw"):
        charts.save([], tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


def test_save_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The charts of a document are drawn to the file, which a note names; without a file nothing happens."""
    output.save_plot(None, [ONE])
    output.save_plot(tmp_path / "a\n.svg", [Lines(("a line",)), ONE, FOUR])
    assert (tmp_path / "a\n.svg").read_text("utf-8") == charts.svg([ONE, FOUR])
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"drawn to {tmp_path}/a\\n.svg\n")


def test_a_missing_extra_is_an_error_before_any_work(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the packages for a picture a command stops before it trains, draws or prints."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for package, command in {
        "matplotlib": ("explain", "accuracy", "--plot"),
        "PIL": ("sample", "--dataset", "mnist-5k", "--picture"),
    }.items():
        result = cli(*command, tmp_path / "x.png")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"drawing needs {package}; install it with: pip install 'mnistloss[report]'" in result.stderr
