"""Classifiers with minimal training."""

from sklearn.base import clone

from imbax import (
    ExplicitGradientClassifier,
    ImbalancedMLPClassifier,
    MESAClassifier,
    MetaWeightNetClassifier,
)

_LITTLE = {
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 1e-2,
    "max_iter": 60,
    "early_stopping": True,
    "n_iter_no_change": 40,
    "random_state": 0,
}

CLASSIFIERS = {
    "ImbalancedMLPClassifier": ImbalancedMLPClassifier(network="mlp", **_LITTLE),
    "ExplicitGradientClassifier": ExplicitGradientClassifier(**_LITTLE),
    "MetaWeightNetClassifier": MetaWeightNetClassifier(**_LITTLE),
}

MESA = MESAClassifier(n_estimators=3, random_steps=2, learned_steps=2, random_state=0)


def quick_classifier(name, **options):
    """Returns a new classifier."""
    return clone(CLASSIFIERS[name]).set_params(**options)
