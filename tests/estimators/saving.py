"""Round trips of estimators through serialisation."""

import io
import pickle

import joblib
import skops.io


def saved(estimator):
    """Yields the estimator restored by pickle, joblib and, without JAX arrays, skops."""
    written = pickle.dumps(estimator)
    assert b"jax" not in written  # so that it loads where there are other devices
    yield pickle.loads(written)
    file = io.BytesIO()
    joblib.dump(estimator, file)
    yield joblib.load(file)
    safe = skops.io.dumps(estimator)
    types = skops.io.get_untrusted_types(data=safe)
    assert {name.split(".")[0] for name in types} <= {"imbax", "numpy", "sklearn"}
    assert all(name.split(".")[-1][0].isupper() or name == "numpy.dtype" for name in types)
    yield skops.io.loads(safe, trusted=types)
