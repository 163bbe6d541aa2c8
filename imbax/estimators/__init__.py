"""scikit-learn and imbalanced-learn estimators over the pure core."""
