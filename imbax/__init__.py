"""Class imbalance with neural networks in JAX.

The names below load on first use, so that `import imbax` costs nothing and pulls in neither
scikit-learn, pandas nor matplotlib.
"""

import logging
import sys
from importlib import import_module

from imbax.aliases import Finder

__version__ = "0.2.0"

_HOME = {
    "ADASYN": "estimators.adasyn",
    "AMDO": "estimators.amdo",
    "BAGAN": "estimators.bagan",
    "Batch": "types",
    "BorderlineSMOTE": "estimators.borderline_smote",
    "CWGAN": "estimators.cwgan",
    "DeepSMOTE": "estimators.deepsmote",
    "ExplicitGradientClassifier": "estimators.explicit_gradient",
    "ExplicitGradientOverSampler": "estimators.explicit_gradient_over_sampler",
    "Facts": "catalogue",
    "GAMO": "estimators.gamo",
    "ImageFacts": "catalogue",
    "ImbalancedMLPClassifier": "estimators.imbalanced_mlp",
    "Generator": "methods.generator",
    "InputError": "errors",
    "MCCCR": "estimators.mc_ccr",
    "MCRBO": "estimators.mc_rbo",
    "MESAClassifier": "estimators.mesa_classifier",
    "Metric": "experiments.tabular.named_metrics",
    "MetaWeightNetClassifier": "estimators.meta_weight_net",
    "Network": "types",
    "OnImages": "catalogue",
    "OuterGradient": "bilevel.gradients",
    "Problem": "types",
    "Program": "training",
    "RandomOverSampler": "estimators.random_over_sampler",
    "Resampled": "types",
    "Results": "results.results",
    "Rows": "types",
    "SMOTE": "estimators.smote",
    "SMOTEN": "estimators.smoten",
    "SMOTENC": "estimators.smote_nc",
    "SUGAR": "estimators.sugar",
    "Variables": "types",
    "Vectorized": "engine.vectorize",
    "as_network": "networks.as_network",
    "average_precision": "metrics.public",
    "bilevel_gradient": "bilevel.hypergradient",
    "brier_score": "metrics.public",
    "evaluate": "results.evaluate",
    "expected_calibration_error": "metrics.public",
    "explicit_gradient": "methods.explicit_gradient:program",
    "inner_update": "bilevel.gradients",
    "load": "results.load",
    "mlp": "networks.mlp",
    "one_shot": "training",
    "outer_gradient": "bilevel.gradients",
    "precision_at_recall": "metrics.public",
    "register": "catalogue",
    "roc_auc": "metrics.public",
    "rows": "types",
    "run": "cli.run",
    "search": "results.search",
    "show_versions": "versions",
    "supervised": "methods.supervised:program",
    "train": "training",
    "use_cpu_cores": "engine.devices",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'imbax' has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    return getattr(import_module(f"imbax.{module}"), attribute or name)


def __dir__():
    return [*__all__, "__version__"]


logging.getLogger("imbax").addHandler(logging.NullHandler())
sys.meta_path.append(Finder())  # last, so that it sees only names that no other finder knows
