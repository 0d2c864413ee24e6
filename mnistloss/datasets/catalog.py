"""The datasets: names, sizes, digests, mirrors, licences and known label errors.

A digest is the SHA-256 of the decompressed IDX file. So a mirror may compress a file in another way, but a changed
pixel is detected.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from mnistloss.errors import ArgumentError
from mnistloss.formatting import did_you_mean

Kind = Literal["images", "labels"]
SPLITS = ("train", "test")
KINDS: tuple[Kind, ...] = ("images", "labels")


class File(NamedTuple):
    """One published IDX file.

    shape: of the array in the file. sha256: of the decompressed file; None if only `archive_sha256`, the digest of the
    .gz file, is published. itemsize: bytes of one element.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str | None
    archive_sha256: str | None = None
    itemsize: int = 1

    @property
    def size(self) -> int:
        """The number of bytes of the decompressed file: header and elements."""
        return 4 + 4 * len(self.shape) + self.itemsize * math.prod(self.shape)

    @property
    def archive(self) -> str:
        """The name of the compressed file on mirrors."""
        return f"{self.name}.gz"

    def as_dict(self) -> dict[str, Any]:
        digests = {"sha256": self.sha256, "gz_sha256": self.archive_sha256}
        return {"name": self.name, "bytes": self.size, "shape": self.shape, **digests}


class Dataset(NamedTuple):
    """One dataset: an image file and a label file for each split, the mirrors of these files, and the licence."""

    name: str
    title: str
    files: dict[str, dict[Kind, File]]
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    licence: str
    bibtex: str

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def embedded(self) -> bool:
        """Whether the files ship with this package instead of being downloaded."""
        return not self.mirrors

    def examples(self, split: str) -> int:
        """Return N, the number of examples in a split."""
        return self.files[split]["labels"].shape[0]

    def select(self, splits: tuple[str, ...] = SPLITS) -> list[File]:
        """Return the files of the given splits, images before labels."""
        return [self.files[split][kind] for split in splits for kind in KINDS]

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "examples": {split: self.examples(split) for split in SPLITS},
            "classes": list(self.class_names),
            "files": [file.as_dict() for file in self.select()],
            "mirrors": self.mirrors,
            "licence": self.licence,
            "bibtex": self.bibtex,
        }


def _mnist_files(n: tuple[int, int], *digests: str, of_archives: bool = False) -> dict[str, dict[Kind, File]]:
    """Describe four files that have the same names as those of MNIST. n: the numbers of train and test examples.

    digests: of train images, train labels, test images and test labels. If `of_archives`, they are of the .gz files.
    """
    pairs = iter([(None, digest) if of_archives else (digest, None) for digest in digests])
    return {
        split: {
            "images": File(f"{stem}-images-idx3-ubyte", (count, 28, 28), *next(pairs)),
            "labels": File(f"{stem}-labels-idx1-ubyte", (count,), *next(pairs)),
        }
        for split, stem, count in zip(SPLITS, ("train", "t10k"), n, strict=True)
    }


_DIGITS = tuple("0123456789")
_ARTICLES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_LECUN = """\
@misc{lecun1998mnist,
  author = {LeCun, Yann and Cortes, Corinna and Burges, Christopher J. C.},
  title  = {The {MNIST} database of handwritten digits},
  year   = {1998}
}"""

MNIST = Dataset(
    name="mnist",
    title="MNIST, handwritten digits",
    files=_mnist_files(
        (60000, 10000),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    class_names=_DIGITS,
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    licence="not stated by its authors; distributors differ",
    bibtex=_LECUN,
)

FASHION_MNIST = Dataset(
    name="fashion-mnist",
    title="Fashion-MNIST, articles of clothing",
    files=_mnist_files(
        (60000, 10000),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    class_names=_ARTICLES,
    mirrors=(
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/",
    ),
    licence="MIT",
    bibtex="""\
@article{xiao2017fashion,
  author  = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  title   = {Fashion-{MNIST}: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  journal = {arXiv:1708.07747},
  year    = {2017}
}""",
)

KMNIST = Dataset(
    name="kmnist",
    title="Kuzushiji-MNIST, cursive hiragana",
    files=_mnist_files(
        (60000, 10000),
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        of_archives=True,
    ),
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    licence="CC BY-SA 4.0",
    bibtex="""\
@article{clanuwat2018deep,
  author  = {Clanuwat, Tarin and Bober-Irizar, Mikel and Kitamoto, Asanobu and Lamb, Alex and Yamamoto, Kazuaki
             and Ha, David},
  title   = {Deep Learning for Classical {J}apanese Literature},
  journal = {arXiv:1812.01718},
  year    = {2018}
}""",
)

QMNIST = Dataset(
    name="qmnist",
    title="QMNIST, MNIST reconstructed with 60,000 test digits",
    files={
        split: {
            "images": File(f"qmnist-{split}-images-idx3-ubyte", (60000, 28, 28), None, archive_sha256=images),
            "labels": File(f"qmnist-{split}-labels-idx2-int", (60000, 8), None, archive_sha256=labels, itemsize=4),
        }
        for split, images, labels in (
            (
                "train",
                "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
                "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
            ),
            (
                "test",
                "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
                "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
            ),
        )
    },
    class_names=_DIGITS,
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/94061367ec2e099ea18c553c75727ecf849ddb9b/",),
    licence="BSD",
    bibtex="""\
@inproceedings{yadav2019cold,
  author    = {Yadav, Chhavi and Bottou, L{\\'e}on},
  title     = {Cold Case: The Lost {MNIST} Digits},
  booktitle = {Advances in Neural Information Processing Systems 32},
  note      = {arXiv:1905.10498},
  year      = {2019}
}""",
)

MNIST_5K = Dataset(
    name="mnist-5k",
    title="5,000 digits of the MNIST training set, embedded",
    files=_mnist_files(
        (4000, 1000),
        "74422b12132c7d8b0957cdb994d971a505f77a57ddac808ef1ea84f4bb9e7a2e",
        "5dbd7686910cb66a8a6303f16940c2fae43896243c187897cd3976aab00f4817",
        "39a5f23fe7320d50d2b650bd96c756db7999a84cb13541d939296ed59f1e0663",
        "66e4c6deb5f2a061f7d8cd5ec53025fdb9dabb08265e449acb8cf64b8cd36cac",
    ),
    class_names=_DIGITS,
    mirrors=(),
    licence=MNIST.licence,
    bibtex=_LECUN,
)

DATASETS: dict[str, Dataset] = {d.name: d for d in (MNIST, FASHION_MNIST, KMNIST, QMNIST, MNIST_5K)}


def find(name: str) -> Dataset:
    """Return the dataset with this name. An unknown name raises ArgumentError, which lists all names."""
    try:
        return DATASETS[name]
    except (KeyError, TypeError):
        known = f"the datasets are {', '.join(DATASETS)}{did_you_mean(name, DATASETS)}"
        raise ArgumentError(f"no dataset is named {name!r}; {known}") from None


def check_split(split: str) -> str:
    """Return the name of a split unchanged. An unknown name raises ArgumentError."""
    if split not in SPLITS:
        raise ArgumentError(f"no split is named {split!r}; the splits are {' and '.join(SPLITS)}")
    return split


LABEL_ERROR_SOURCE = (
    "C. G. Northcutt, A. Athalye and J. Mueller (2021), arXiv:2103.14749; repository cleanlab/label-errors (Apache-2.0)"
)
LABEL_ERROR_RULE = "fewer than 3 of 5 reviewers chose the given label; 100 examples were reviewed"


class LabelError:
    """A label that most reviewers did not choose. suggestion: another label, which an algorithm proposed.

    index: of the example in the split. votes: how many reviewers chose the label, the suggestion, or neither (or both).
    """

    def __init__(self, index: int, label: int, suggestion: int, votes: tuple[int, int, int]) -> None:
        self.index = index
        self.label = label
        self.suggestion = suggestion
        self.votes = votes


MNIST_TEST_ERRORS: tuple[LabelError, ...] = (
    LabelError(947, 8, 9, (0, 5, 0)),
    LabelError(1621, 0, 6, (2, 3, 0)),
    LabelError(1901, 9, 4, (2, 3, 0)),
    LabelError(2130, 4, 9, (2, 2, 1)),
    LabelError(2462, 2, 0, (0, 4, 1)),
    LabelError(2597, 5, 3, (0, 4, 1)),
    LabelError(2654, 6, 1, (0, 2, 3)),
    LabelError(3520, 6, 4, (2, 0, 3)),
    LabelError(3558, 5, 0, (1, 4, 0)),
    LabelError(5937, 5, 3, (1, 3, 1)),
    LabelError(6651, 0, 6, (0, 5, 0)),
    LabelError(6783, 1, 6, (2, 3, 0)),
    LabelError(8527, 4, 9, (2, 2, 1)),
    LabelError(9679, 6, 3, (2, 0, 3)),
    LabelError(9729, 5, 6, (2, 3, 0)),
)


def known_errors(dataset: str | None, split: str | None) -> dict[int, LabelError]:
    """Return the known label errors of a split, by index. Only the test split of MNIST was reviewed."""
    return {e.index: e for e in MNIST_TEST_ERRORS} if (dataset, split) == ("mnist", "test") else {}
