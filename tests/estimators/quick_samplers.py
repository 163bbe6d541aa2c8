"""Over-samplers with minimal training."""

from sklearn.base import clone

from imbax import (
    ADASYN,
    AMDO,
    BAGAN,
    CWGAN,
    GAMO,
    MCCCR,
    MCRBO,
    SMOTE,
    SUGAR,
    BorderlineSMOTE,
    DeepSMOTE,
    ExplicitGradientClassifier,
    ExplicitGradientOverSampler,
)

QUICK = {
    "SMOTE": SMOTE(random_state=0),
    # So many neighbours that rows are in danger also in a class that lies apart.
    "BorderlineSMOTE": BorderlineSMOTE(m_neighbors=30, random_state=0),
    "ADASYN": ADASYN(random_state=0),
    "SUGAR": SUGAR(random_state=0),
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
# Every new shape compiles another GAN, so it is not among those above.
GAN = CWGAN(max_iter=40, batch_size=8, learning_rate_init=1e-2, random_state=0)
POINTS = ExplicitGradientOverSampler(
    ExplicitGradientClassifier(hidden_layer_sizes=(8,), max_iter=5), random_state=0
)
TABLE_NAMES = [name for name in QUICK if name != "BAGAN"]


def quick(name, **options):
    """Returns a new sampler."""
    return clone(QUICK[name]).set_params(**options)
