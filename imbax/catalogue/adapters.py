"""What over-samplers of K classes are told of a table, and what they make as changes to its rows.

A sampler of the registry is `(key, problem, facts) -> Resampled`, `facts` being `registry.Facts`.
It adds rows of every class but the largest, of two classes the minority: as many again, or as many
as make the classes equal.
"""

import jax.numpy as jnp

from imbax.methods.class_duplicate import class_duplicate
from imbax.methods.class_smote import Synthetic, class_smote
from imbax.methods.points import smaller_classes
from imbax.types import Problem, Resampled, Rows

__all__ = ["added", "copies_of_classes", "given", "sizes", "smote_of_classes"]


def copies_of_classes(key, problem: Problem, facts) -> Resampled:
    """Rows again, drawn with replacement within their class."""
    train = problem.train
    _, *known = given(train, facts)
    drawn, w = class_duplicate(key, *known, max_synth=facts.max_synth)
    index = jnp.concatenate([train.index, train.index[drawn]])
    return Resampled(index, jnp.concatenate([train.w, w]))


def smote_of_classes(key, problem: Problem, facts) -> Resampled:
    """SMOTE within each class."""
    made = class_smote(key, *given(problem.train, facts), **sizes(facts))
    return added(problem.train, made)


def given(train: Rows, facts):
    """The rows `[n, d]`, their classes and weights, and how many are wanted of each class `[K]`."""
    x, y, w = train.all()
    few, largest = smaller_classes(train, facts.classes)
    more = few.counts if facts.n_synth == "double" else jnp.maximum(largest - few.counts, 0)
    return x, y.astype(jnp.int32), w, jnp.where(few.counts > 0, more, 0)


def sizes(facts):
    """Static bounds on the rows of a class and on the new ones, by name."""
    return {"max_rows": facts.max_minority, "max_synth": facts.max_synth}


def added(train: Rows, made: Synthetic) -> Resampled:
    """The training rows and those made."""
    number = len(train.data) + jnp.arange(len(made.x))
    return Resampled(
        index=jnp.concatenate([train.index, number]),
        w=jnp.concatenate([train.w, made.w]),
        x_synth=made.x,
        y_synth=made.y.astype(train.target.dtype),
    )
