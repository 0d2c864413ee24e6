"""Tables and formats of evaluations, each against a literal text on one shared fixture."""

import csv
import io
import math
import re
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from rich.console import Console, RenderableType

from mnistloss.document import Axis, Bars, Chart, Heading, Lines, Table
from mnistloss.evaluation.hints import Hint
from mnistloss.evaluation.results import Accuracy, BatchResult, ClassResult, Evaluation, LossResult, Refused
from mnistloss.evaluation.signature import Signature
from mnistloss.report import details, formats, markup, tables, terminal

SIGNATURE = Signature("cee", "mnist:test@ff7bcfd4", 10000, "3fa1c0de", "probs", 1e-7, "mean", "0.1.0")
OF_ACCURACY = Signature("accuracy", "mnist:test@ff7bcfd4", 10000, "3fa1c0de", "probs", None, "mean", "0.1.0")
REFERENCES = {"uniform": 2.3025840929945, "prior": 2.3008473899}
RESULT = Evaluation(
    predictions="runs/[v2]/p|.npy",
    dataset="mnist",
    split="test",
    n=10000,
    classes=10,
    input="probs",
    losses=MappingProxyType(
        {
            "cee": LossResult(
                0.22454365154002318, "mean", 0.0067341, (0.2113450, 0.2377422), 0.95, 0, SIGNATURE, REFERENCES
            ),
            "nll": LossResult(float("inf"), "mean", None, None, 0.95, 3, SIGNATURE, REFERENCES),
        }
    ),
    accuracy=Accuracy(0.9352, (0.930206, 0.939859), OF_ACCURACY),
    signature=SIGNATURE,
    hints=(Hint("a-hint", "something is odd", "look at it"),),
    per_class=(
        ClassResult(
            7, 1028, {"cee": 0.25, "nll": float("inf")}, {"cee": 0.114, "nll": float("nan")}, 0.9319066147859922
        ),
    ),
    batches=(BatchResult(0, 10000, MappingProxyType({"cee": 0.22454365154002318, "nll": float("inf")})),),
)

PLAIN = replace(RESULT, per_class=None, batches=None, hints=())

TABLE = """\
runs/[v2]/p|.npy on mnist test, n = 10,000

 measure       value  std. error  95 % interval
 ─────────────────────────────────────────────────────────────────────────
 cee       0.2245437      0.0067  0.2113 to 0.2377  delta 1e-7
 nll        infinite           -  -                 delta 1e-7, 3 infinite
 accuracy     0.9352              0.9302 to 0.9399


 for reference                  cee        nll
 ─────────────────────────────────────────────
 uniform guess            2.3025841  2.3025841
 class prior              2.3008474  2.3008474
 skill against the prior      0.902          -

cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0

Hint: something is odd; look at it

by class

 class      n        cee  share of cee       nll  share of nll  accuracy
 ───────────────────────────────────────────────────────────────────────
 7      1,028  0.2500000         11.4%  infinite             -    0.9319


1 batch in row order; weighted by size, their mean is the value above

 batch  first row       n        cee       nll
 ─────────────────────────────────────────────
     0          0  10,000  0.2245437  infinite
"""

CSV = """\
predictions,status,reason,n,cee,cee.stderr,cee.low,cee.high,cee.skill,cee.infinite,cee.uniform,cee.prior,cee.7,cee.share.7,nll,nll.stderr,nll.low,nll.high,nll.skill,nll.infinite,nll.uniform,nll.prior,nll.7,nll.share.7,accuracy,accuracy.low,accuracy.high,accuracy.7,hints,signature
runs/[v2]/p|.npy,scored,,10000,0.22454365154002318,0.0067341,0.211345,0.2377422,0.9024082811725369,0,2.3025840929945,2.3008473899,0.25,0.114,,,,,,3,2.3025840929945,2.3008473899,,,0.9352,0.930206,0.939859,0.9319066147859922,a-hint: something is odd; look at it,cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0
c.npy,refused,NaN in row 3; score these with --input logits,,,,,,,,,,,,,,,,,,,,,,,,,,add --input logits,"""  # noqa: E501 - as it is written

MARKDOWN = r"""mnist test, n = 10,000

| predictions | cee | accuracy | nll |
|---|---:|---:|---:|
| runs/\[v2]/p\|.npy | 0.2245 ± 0.0067 | 0.9352 | infinite (3) |

± is the standard error.

by class

| class | n | cee | share of cee | nll | share of nll | accuracy |
|---|---:|---:|---:|---:|---:|---:|
| 7 | 1,028 | 0.2500000 | 11.4% | infinite | - | 0.9319 |

1 batch in row order; weighted by size, their mean is the value above

| batch | first row | n | cee | nll |
|---:|---:|---:|---:|---:|
| 0 | 0 | 10,000 | 0.2245437 | infinite |

Hint: runs/\[v2]/p\|.npy: something is odd; look at it

<details>
<summary>signatures</summary>

- runs/\[v2]/p\|.npy: `cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0`

</details>"""

LATEX = r"""% \usepackage{booktabs}
% mnist test, n = 10,000
\begin{tabular}{lrrr}
\toprule
predictions & cee & accuracy & nll \\
\midrule
better.npy & \textbf{0.12 $\pm$ 0.10} & \textbf{0.9400} & infinite (3) \\
\_\#\textbackslash{} & 0.2245 $\pm$ 0.0067 & 0.9352 & infinite (3) \\
\bottomrule
\end{tabular}

% ± is the standard error.
% _#\: by class
\begin{tabular}{lrrrrrr}
\toprule
class & n & cee & share of cee & nll & share of nll & accuracy \\
\midrule
7 & 1,028 & 0.2500000 & 11.4\% & infinite & - & 0.9319 \\
\bottomrule
\end{tabular}

% Hint: _#\: something is odd; look at it
% not scored: c.npy: NaN in row 3
% better.npy: cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0
% _#\: cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0"""

BOOTSTRAP = """\
runs/[v2]/p|.npy on mnist test, n = 10,000

                                  99.99999 % interval,
 measure       value  std. error  bootstrap
 ──────────────────────────────────────────────────────────────────────────────
 cee       0.2245437      0.0067  0.2113 to 0.2377       delta 1e-7
 nll        infinite           -  -                      delta 1e-7, 3 infinite
 accuracy     0.9352              0.9302 to 0.9399       Wilson
"""

SEVERAL = """\
mnist test, n = 10,000

 rank  predictions                   cee  accuracy           nll
 ───────────────────────────────────────────────────────────────
    1  b\\x1b.npy         0.2245 ± 0.0067    0.9352  infinite (3)
    1  runs/[v2]/p|.npy  0.2245 ± 0.0067    0.9352  infinite (3)

± is the standard error; intervals and references: --format json or csv
runs/[v2]/p|.npy:
cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0
b\\x1b.npy:
cee|mnist:test@ff7bcfd4|n:10000|y:3fa1c0de|input:probs|delta:1e-07|mean|mnistloss:0.1.0
Hint: runs/[v2]/p|.npy: something is odd; look at it

runs/[v2]/p|.npy

by class

 class      n        cee  share of cee       nll  share of nll  accuracy
 ───────────────────────────────────────────────────────────────────────
 7      1,028  0.2500000         11.4%  infinite             -    0.9319


1 batch in row order; weighted by size, their mean is the value above

 batch  first row       n        cee       nll
 ─────────────────────────────────────────────
     0          0  10,000  0.2245437  infinite
"""


def printed(renderable: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable, crop=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip("\n").split("\n"))


def test_table() -> None:
    """One evaluation in a terminal of 80 columns."""
    assert printed(tables.evaluation(RESULT)).rstrip() == TABLE.rstrip()


def test_bootstrap_in_the_table() -> None:
    """The heading names bootstrap intervals, and the confidence is not rounded to 100 %."""
    cee = replace(RESULT.losses["cee"], interval="bootstrap", draws=2000, seed=1, confidence=0.9999999)
    losses = {**RESULT.losses, "cee": cee}
    text = printed(tables.evaluation(replace(PLAIN, losses=losses)))
    assert text.startswith(BOOTSTRAP)
    assert "\nBootstrap-t of 2,000 samples, seed 1\ncee|" in text


def test_reliability_in_the_table() -> None:
    """Why an interval is not reliable stands in a sentence below the table."""
    note = "3 of 100 examples carry 97 % of the cee"
    losses = {**RESULT.losses, "cee": replace(RESULT.losses["cee"], reliability=note)}
    result = replace(PLAIN, losses=losses)
    assert f"\nNot reliable: {note}.\n" in printed(tables.evaluation(result))
    assert f"\nb.npy, not reliable: {note}.\n" in printed(
        tables.evaluations([PLAIN, replace(result, predictions="b.npy")])
    )


def test_several_files() -> None:
    """Each file has a row with standard errors; signatures and hints follow, then the breakdowns of each file."""
    assert printed(tables.evaluations([RESULT, replace(PLAIN, predictions="b\x1b.npy")])).rstrip() == SEVERAL.rstrip()


def test_several_files_of_several_splits() -> None:
    """Each split has a table and ranks of its own, and its title names the folder that all its files share."""
    files = [replace(PLAIN, predictions=f"runs/{name}/p.npy", split=name[:-1]) for name in ("test1", "train1", "test2")]
    lines = printed(tables.evaluations([*files, replace(PLAIN, predictions="q.npy", split="train")]), 100).splitlines()
    titles = [place for place, line in enumerate(lines) if line.endswith(", n = 10,000")]
    assert [lines[place : place + 2] for place in titles] == [
        ["mnist test, n = 10,000", "in runs/"], ["mnist train, n = 10,000", ""],
    ]  # fmt: skip
    rows = [line.split()[:2] for line in lines if re.match(" +1  ", line)]
    assert rows == [["1", "test1/p.npy"], ["1", "test2/p.npy"], ["1", "q.npy"], ["1", "runs/train1/p.npy"]]


def test_csv() -> None:
    """A row for each file, refused ones too."""
    refused = Refused.because("c.npy", "c.npy: NaN in row 3; score these with --input logits")
    assert formats.to_csv([RESULT], [replace(refused, advice="--input logits")]) == CSV


def test_names_in_csv() -> None:
    """A name comes back from CSV as it is, whatever line ends it has, but with ' before what would run as a formula."""
    names = ["a\rb\n.npy", '",\r\n', "=1+1.npy", "+1", "-1", "@SUM(A1)", "\t=1", "a=1.npy"]
    text = formats.to_csv([replace(PLAIN, predictions=name) for name in names])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(dict.fromkeys(row["predictions"] for row in rows)) == [
        *names[:2], "'=1+1.npy", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "a=1.npy",
    ]  # fmt: skip
    assert formats.rows_csv([{"x": -1.5}, {"x": None, "y": float("inf")}]) == "x,y\n-1.5,\n,"


def test_escapes_in_hints() -> None:
    """Escape characters of a hint or a name reach neither Markdown nor LaTeX."""
    hint = Hint("a-hint", "\x1b[31m is odd", "look\nat it")
    for to_text in (formats.to_markdown, formats.to_latex):
        text = to_text([replace(PLAIN, predictions="p\x1b.npy", hints=(hint,))])
        assert "\x1b" not in text
        assert text.count("look") == 1


def test_latex() -> None:
    """A row a file, the best numbers in bold, its special characters escaped; texts and signatures are comments."""
    better = replace(PLAIN, predictions="better.npy", accuracy=RESULT.accuracy._replace(value=0.94))
    cee = replace(better.losses["cee"], value=0.123, stderr=0.1)
    better = replace(better, losses={**better.losses, "cee": cee})
    files = [better, replace(RESULT, predictions="_#\\", batches=None)]
    assert formats.to_latex(files, [Refused.because("c.npy", "c.npy: NaN in row 3")]) == LATEX


def test_numbers_in_latex() -> None:
    """Signs and powers of ten of numbers are set as such; a text is as it is written."""
    table = Table("", ("name", ">p"), (("a-1e-5", "< 1.5e-05"), ("b", "-0.5 to +2e-300"), ("c", "≤ 0.1")))
    rows = [line for line in markup.latex([table]).splitlines() if line.endswith(r" \\")][1:]
    assert rows == [
        r"a-1e-5 & \textless{} $1.5 \times 10^{-5}$ \\",
        r"b & $-0.5$ to $+2 \times 10^{-300}$ \\",
        r"c & $\leq$ 0.1 \\",
    ]


def test_best() -> None:
    """The lowest cost of each column is the best, also of several rows; equal and infinite costs have no best."""
    costs = [(1.0, 2.0, math.inf, 5.0), (1.0, 1.0, 3.0, 5.0), (2.0, 1.0, math.inf, 5.0)]
    assert details.best_cells(costs, 1) == {(0, 1), (1, 1), (1, 2), (2, 2), (1, 3)}
    assert not details.best_cells([(1.0, 2.0)], 1)


def test_bars_and_headings_in_markdown() -> None:
    """Bars are a table of their notes; charts and pictures are left out."""
    bars = Bars("a_b", ("x",), (0.5,), ("50 %",), Chart("c", Axis("x"), Axis("y"), ()))
    text = markup.markdown([Heading("h*"), bars, Lines(("", "one")), Chart("c", Axis("x"), Axis("y"), ())])
    assert text == "### h\\*\n\na\\_b\n\n|  |  |\n|---|---|\n| x | 50 % |\n\none"


def test_special_characters_in_names() -> None:
    """Names of files are escaped in both formats; with several files each signature has the name of its file."""
    both = [replace(PLAIN, predictions="[a]|<b>.npy"), replace(PLAIN, predictions="`*_x.npy")]
    latex, markdown = formats.to_latex(both), formats.to_markdown(both)
    assert "{[}a]\\textbar{}\\textless{}b\\textgreater{}.npy & 0.2245" in latex
    assert "| \\[a]\\|\\<b>.npy |" in markdown
    assert "| \\`\\*\\_x.npy |" in markdown
    assert "- \\`\\*\\_x.npy: `cee|mnist" in markdown


def test_markdown() -> None:
    """One evaluation as Markdown; a | in a file name does not break the table."""
    assert formats.to_markdown([RESULT]) == MARKDOWN


def test_digits() -> None:
    """A vertical bar in characters, and in half blocks of two greys."""
    image = np.zeros((2, 28, 28), np.uint8)
    image[:, :, 12:16] = 255
    plain = terminal.render_digits(image, ["0: 1", "1: 1"], 80, colour=False)
    assert plain.plain.split("\n") == ["0: 1            1: 1          "] + ["      @@              @@      "] * 6 + [
        "      @@              @@"
    ]
    coloured = terminal.render_digits(image[:1], ["0: 1"], 80, colour=True)
    assert coloured.plain.split("\n")[1] == "▀" * 14
    styles = {str(span.style) for span in coloured.spans}
    assert styles == {"#000000 on #000000", "#ffffff on #ffffff"}
    assert len(terminal.render_digits(image, ["a", "b"], 14, colour=False).plain.split("\n")) == 16
