"""One figure or curve in a process of its own; prints what was measured as JSON.

python -m benchmarks.worker NAME FOLDER full|quick
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import FIGURES
from benchmarks.growth import CURVES
from benchmarks.material import Material
from benchmarks.measuring import FULL, QUICK

if __name__ == "__main__":  # which the workers of a cluster import under another name
    _, name, folder, how = sys.argv
    made, quick = Material(Path(folder)), how == "quick"
    if name in CURVES:
        print(json.dumps(asdict(CURVES[name](made, quick))))
    else:
        print(json.dumps(asdict(FIGURES[name][1](made, QUICK if quick else FULL))))
