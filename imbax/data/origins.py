"""Sources and licences of the data sets that imbax loads, as reports state them.

A licence is named only if the source states it on the data set's page; "see source" otherwise.
"""

from typing import NamedTuple

__all__ = ["Origin", "collection_origin", "file_origin", "openml_origin"]

_UCI, _SEE = "CC BY 4.0", "see source"


class Origin(NamedTuple):
    """Origin of a data set."""

    source: str
    """Collection or publication that a reader can find."""
    licence: str
    """Licence or terms of use."""


_DIGITS = Origin("UCI, optical recognition of handwritten digits, in scikit-learn", _UCI)
_ADULT = Origin("UCI, Adult", _UCI)
_IMAGES = {
    "digits": _DIGITS,
    "mnist": Origin("MNIST (LeCun, Cortes and Burges)", _SEE),
    "fashion_mnist": Origin("Fashion-MNIST, github.com/zalandoresearch/fashion-mnist", "MIT"),
    "cifar10": Origin("CIFAR-10, cs.toronto.edu/~kriz/cifar.html", _SEE),
    "svhn": Origin("SVHN, ufldl.stanford.edu/housenumbers", "non-commercial use only"),
    "celeba": Origin(
        "CelebA, mmlab.ie.cuhk.edu.hk/projects/CelebA.html", "non-commercial research only"
    ),
}
_QUICKSTART = {
    "digits_8": _DIGITS,
    "breast_cancer_10": Origin("UCI, breast cancer Wisconsin (diagnostic), in scikit-learn", _UCI),
    "moons_20": Origin("drawn by scikit-learn's make_moons", "none needed"),
}
# Sets of imbalanced-learn's collection that its list attributes to other sources, or to UCI, which
# has no page for them.
_BENCHMARK = "imbalanced-learn's benchmark collection (doi.org/10.5281/zenodo.61452), from"
_NOT_UCI = {
    **dict.fromkeys(("yeast_ml8", "scene", "webpage"), "LIBSVM"),
    "coil_2000": "the CoIL challenge 2000",
    "protein_homo": "KDD Cup 2004",
    **dict.fromkeys(("oil", "mammography"), "publications"),
}


def collection_origin(loader: str, name: str) -> Origin:
    """Origin of a data set of a built-in collection.

    Parameters
    ----------
    loader
        Name of the collection's function in `suites.loaders`: "quickstart", "imblearn27", "adult",
        "long_tail" or "images".
    name
        Name of the data set.
    """
    if loader == "quickstart":
        return _QUICKSTART[name]
    if loader == "imblearn27":
        other = _NOT_UCI.get(name)
        return Origin(f"{_BENCHMARK} {other or 'UCI'}", _SEE if other else _UCI)
    if name.startswith("adult"):
        return _ADULT
    return _IMAGES[name]


def openml_origin(number: int) -> Origin:
    """Origin of a data set of OpenML by its id."""
    return Origin(f"openml.org/d/{number}", _SEE)


def file_origin(name: str) -> Origin:
    """Origin of a user's file by its name."""
    return Origin(f"file {name}", "the user's data")
