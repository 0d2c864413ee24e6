"""Make the pictures of the documents: commands are run, and what they print or draw becomes an SVG.

make pictures
"""

import io
import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mnistloss.cli import main, output

COMMANDS = (
    "baseline softmax --dataset mnist-5k --out preds.npy",
    "eval preds.npy --dataset mnist-5k",
    "sample --dataset mnist-5k --batch-size 10 --seed 1",
)
PLOTS = {
    "explain-accuracy.svg": "explain accuracy --weight 350,3",
    "explain-learning.svg": "explain learning",
}

console = Console(
    record=True, width=100, force_terminal=True, color_system="truecolor", file=io.StringIO(), highlight=False
)
output.console = lambda *, stderr=False: console
here = Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for command in COMMANDS:
        console.print(Text(f"$ mnistloss {command}", style="bold green"))
        main(command.split(), standalone_mode=False)
        console.print()
    os.chdir(here)
console.save_svg(str(here / "terminal.svg"), title="mnistloss", unique_id="mnistloss")
for name, command in PLOTS.items():
    main([*command.split(), "--plot", str(here / name)], standalone_mode=False)
