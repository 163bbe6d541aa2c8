"""Every over-sampler with the least to train."""

from sklearn.base import clone

from imbax import (
    AMDO,
    BAGAN,
    GAMO,
    MCCCR,
    MCRBO,
    DeepSMOTE,
    ExplicitGradientClassifier,
    ExplicitGradientOverSampler,
)

QUICK = {
    "AMDO": AMDO(random_state=0),
    "MCCCR": MCCCR(random_state=0),
    "MCRBO": MCRBO(max_iter=20, random_state=0),
    "GAMO": GAMO(max_iter=1, noise_dim=4, random_state=0),
    "DeepSMOTE": DeepSMOTE(max_iter=1, latent_dim=4, batch_size=32, random_state=0),
    "BAGAN": BAGAN(
        autoencoder_max_iter=1,
        max_iter=1,
        latent_dim=4,
        width=2,
        batch_size=32,
        learning_rate_init=3e-2,
        random_state=0,
    ),
}
POINTS = ExplicitGradientOverSampler(
    ExplicitGradientClassifier(hidden_layer_sizes=(8,), max_iter=5), random_state=0
)
OF_TABLES = [name for name in QUICK if name != "BAGAN"]


def quick(name, **options):
    """A new one."""
    return clone(QUICK[name]).set_params(**options)
