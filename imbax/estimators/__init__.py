"""Estimators with the contracts of scikit-learn and imbalanced-learn."""
