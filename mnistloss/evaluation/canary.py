"""Whether a process computes the same bits as another one, told by the losses of some fixed rows."""

from __future__ import annotations

import functools
import hashlib
import os
import platform

import numpy as np

from mnistloss.errors import WorkerError
from mnistloss.losses.losses import LOSSES
from mnistloss.losses.outputs import OUTPUTS
from mnistloss.version import __version__

_ROWS = 4000


@functools.cache
def bits_digest() -> str:
    """Return the digest of all losses of 4,000 fixed rows: processes with the same digest compute the same bits."""
    words = np.random.PCG64(0).random_raw(_ROWS * 10).reshape(10, -1)
    uniform, t = (words >> np.uint64(11)) * 2.0**-53, (words[0] % np.uint64(10)).astype(np.intp)
    values = {"probs": uniform / uniform.sum(axis=0), "logits": 60 * uniform - 30, "logprobs": -60 * uniform}
    digest = hashlib.sha256()
    for kind, y in values.items():
        for loss in LOSSES.values():
            for delta in (0.0, 1e-7):
                digest.update(np.ascontiguousarray(loss(OUTPUTS[kind](y), t, delta), np.float64).data)
    return digest.hexdigest()


def check_worker(version: str, bits: str) -> None:
    """Raise WorkerError unless this process has this version of mnistloss and computes these bits."""
    worker = f"worker {platform.node()}, process {os.getpid()}"
    if version != __version__:
        expected = f"expected {version}; install mnistloss=={version} there"
        raise WorkerError(f"{worker}: has mnistloss {__version__}, {expected}")
    if bits != bits_digest():
        cause = f"its processor ({platform.machine()}) or its NumPy ({np.__version__})"
        raise WorkerError(f"{worker}: {cause} computes losses with other last bits; leave this worker out")
