"""Class labels: their checks, notices about them, and the class index of each row."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from imbax.data.checks import column_of
from imbax.data.written import PLAIN, as_text, is_missing
from imbax.errors import InputError, argument, shortened

__all__ = ["MAX_CLASSES", "Labels", "as_labels", "refuse_missing_labels"]

MAX_CLASSES = 100
# Numbers of distinct fractions that may be classes, such as grades, if they have many rows or not.
_MAX_GRADES, _MAX_RARE_GRADES, _ROWS_OF_A_GRADE = 30, 10, 20
_NO_CLASS = frozenset(str.split("nan -nan <na> nat #n/a #na"))


class Labels(NamedTuple):
    """Labels of a data set."""

    codes: np.ndarray
    """Class `[n]` of each row, int8 in 0..K-1; 1 is the minority of two classes."""
    classes: tuple[str, ...]
    """The K labels as text."""
    notices: tuple[str, ...]
    """Messages to the user."""


def as_labels(y: Any, place: str, minority: Any, several_classes: bool) -> Labels:
    """Checks labels; see `make_dataset`. `place` names them in messages, such as "churn: y"."""
    codes, texts = _class_codes(y, place)
    notices = tuple(_notices(texts, np.bincount(codes), minority))
    if minority is None:
        _refuse_continuous(texts, len(codes), place)
        if several_classes and len(texts) > MAX_CLASSES:
            raise InputError(
                f"{place} has {len(texts)} distinct labels, expected at most {MAX_CLASSES} "
                "classes, as regression is not supported; merge the rarest classes"
            )
        if several_classes and len(texts) > 2:
            return Labels(codes.astype(np.int8), texts, notices)
    is_minority, classes = _two_classes(codes, texts, place, minority)
    return Labels(is_minority, classes, notices)


def refuse_missing_labels(values: Sequence[Any], counts: np.ndarray, place: str) -> None:
    """Raises InputError if text labels stand for missing values: signs, NaN, words among numbers.

    Words such as "None" may be names of classes, and so may "-" if another class is "+".

    Parameters
    ----------
    values
        Distinct labels; those that are not text are not checked.
    counts
        Number of rows of each.
    place
        Name of the labels in the message.
    """
    rows = {str(v): n for v, n in zip(values, counts, strict=True) if isinstance(v, str)}
    missing = _like_missing(rows)
    others = [label for label in rows if label not in missing]
    if not all(PLAIN.fullmatch(label.strip()) for label in others):
        missing = [label for label in missing if not _may_name_a_class(label.strip())]
    if missing:
        listed = shortened([f"{label!r} in {rows[label]}" for label in missing])
        raise InputError(
            f"{place} has labels that stand for a missing value, {listed} of {sum(counts)} rows; "
            "label these rows or remove them"
        )


def _like_missing(labels: Iterable[str]) -> list[str]:
    """Labels that may stand for missing values, except "-" if "+" occurs, and "*" if "**" does."""
    signs = {label.strip() for label in labels}
    if len(signs) > 1 and len(set("".join(signs))) == 1:
        return []
    found = [label for label in labels if not label.strip() or is_missing(label.strip())]
    return [label for label in found if not (label.strip() == "-" and "+" in signs)]


def _may_name_a_class(word):
    return word.casefold() not in _NO_CLASS and any(map(str.isalpha, word))


def _class_codes(y, place):
    """Returns the class index `[n]` of each row and the sorted labels as text."""
    import pandas as pd

    y = _label_column(y, place)
    try:
        codes, values = pd.factorize(y)
    except TypeError as error:  # unhashable labels
        kind = type(y[0]).__name__
        raise InputError(f"{place} holds a {kind} for each row, expected a label") from error
    if missing := np.count_nonzero(codes < 0):
        are = "label is" if missing == 1 else "labels are"
        raise InputError(f"{place}: {missing} {are} missing; drop these rows")
    try:
        order = np.argsort(values)
    except TypeError:
        order = np.argsort([as_text(value) for value in values])
    texts = tuple(as_text(values[i]) for i in order)
    if not texts:
        raise InputError(
            f"{place} has no rows, expected one label for each row of x; check how the rows were "
            "selected"
        )
    if len(texts) < 2:
        raise InputError(f"{place} has one class ({''.join(texts)}), expected at least two")
    refuse_missing_labels(values, np.bincount(codes), place)
    if len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise InputError(
            f"{place} holds {twice!r} both as text and as a number; convert y to one type, for "
            "example with y.astype(str)"
        )
    return np.argsort(order)[codes], texts


def _label_column(y, place):
    """Returns one label per row `[n]` from a vector, a single column or one-hot columns.

    One-hot columns of a frame give the columns' names as labels, those of an array 0..K-1.
    """
    columns = getattr(y, "columns", None)
    y = column_of(y, "label", place)
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "buif":
        is_one_hot = np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
        if is_one_hot:
            labels = np.arange(y.shape[1]) if columns is None else np.asarray(columns)
            return labels[y.argmax(1)]
    if y.ndim != 1:
        raise InputError(
            f"{place} has shape {y.shape}, expected [rows], one column, or one-hot columns with a "
            "single 1 in each row"
        )
    return y


def _two_classes(codes, texts, place, minority):
    """Returns labels `[n]`, int8 with 1 = minority, and the two labels as text."""
    counts = np.bincount(codes)
    if minority is not None:
        index = _label_index(as_text(minority), texts, place)
    elif len(texts) > 2:
        raise InputError(
            f"{place} has {len(texts)} distinct labels ({shortened(texts)}), expected 2; "
            f"name one with {argument('minority')}; the others then form the majority"
        )
    else:
        index = 1 if counts[1] <= counts[0] else 0
    if 2 * counts[index] > len(codes):
        raise InputError(
            f"{place}: the label {texts[index]!r} named as minority has {counts[index]} of "
            f"{len(codes)} rows; name the rarer class with {argument('minority')}"
        )
    majority = texts[1 - index] if len(texts) == 2 else f"not {texts[index]}"
    return (codes == index).astype(np.int8), (majority, texts[index])


def _refuse_continuous(classes, rows, place):
    """Raises InputError if labels are fractions, too many to be grades."""
    fractions = [label for label in classes if PLAIN.fullmatch(label) and float(label) % 1]
    are_rare = rows < _ROWS_OF_A_GRADE * len(classes)
    limit = _MAX_RARE_GRADES if are_rare else _MAX_GRADES
    if len(classes) > limit and 4 * len(fractions) > len(classes):
        raise InputError(
            f"{place} seems continuous, {len(classes)} distinct numbers such as "
            f"{fractions[0]}; expected classes, as regression is not supported; give "
            "class labels, or divide the numbers into classes, for example with pandas.qcut"
        )


def _label_index(label, texts, place):
    """Returns the index of a label: matched exactly, as a number, or ignoring case."""
    for normalize in (str, str.strip, _as_number, lambda text: text.strip().casefold(), _as_truth):
        matches = [i for i, text in enumerate(texts) if normalize(text) == normalize(label)]
        if len(matches) == 1:
            return matches[0]
    raise InputError(
        f"{place}: no row has the label {label!r}{' alone' * bool(matches)}; the labels are: "
        f"{shortened(texts, 8)}; give one with {argument('minority')}"
    )


def _as_number(text: str) -> float | str:
    """Returns a number for text such as 01 and 1.0, so that they equal 1."""
    return float(text) if PLAIN.fullmatch(text.strip()) else text.strip()


def _as_truth(text: str) -> float | str:
    """Returns 1 for "true" and 0 for "false", so that they equal the numbers."""
    word = text.strip().casefold()
    return {"true": 1.0, "false": 0.0}.get(word, _as_number(word))


def _notices(classes, counts, minority):
    """Yields notices of labels that may be missing, and of labels that differ only in case."""
    for label in _like_missing(classes):
        if minority is None:
            role = "is a class of its own"
        elif label == as_text(minority):
            continue
        else:
            role = f"({counts[classes.index(label)]} rows) is part of the majority"
        yield (
            f"label {label.strip()!r} {role}; leave its rows out if it stands for a missing label"
        )
    by_word: dict[str, list[str]] = {}
    for label in classes if len(classes) > 2 else ():
        by_word.setdefault(_word(label), []).append(label)
    if minority is not None:  # the others form the majority
        by_word = {_word(minority): by_word.get(_word(minority), [])}
    for labels in by_word.values():
        if labels[1:]:
            named = " and ".join(map(repr, labels[:2]))
            yield f"labels {named} are different classes; rename one if they mean the same"


def _word(label):
    return as_text(label).strip(" .").casefold()
