"""imbalanced-learn's tests of random over-sampling, run with imbax's class.

They stand apart because their fixtures have the names of those of other modules.
"""

import pytest
import test_imbalanced_learns_tests as others

import imbax

with pytest.MonkeyPatch.context() as patch:
    MODULE = others.swapped("imblearn.over_sampling.tests.test_random_over_sampler", patch)

globals().update(
    (name, member)
    for name, member in vars(MODULE).items()
    if name.startswith("test_") or type(member).__name__ == "FixtureFunctionDefinition"
)


def test_module_uses_the_class_of_imbax():
    assert MODULE.RandomOverSampler is imbax.RandomOverSampler
