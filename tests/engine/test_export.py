"""Every training program lowers for CPUs, NVIDIA GPUs and TPUs on any machine."""

import dataclasses

import jax
import numpy as np
import pytest
import toys
from tiers import asked

from imbax.catalogue import get, image_method, names
from imbax.data.images import Images
from imbax.data.imbalance import COUNTS, Counts
from imbax.data.tabular import make_dataset
from imbax.engine.vectorize import Engine, Vectorized
from imbax.experiments.images.cells import train_generator, train_images
from imbax.experiments.images.plan import ImageProtocol, image_plan
from imbax.experiments.tabular import cells
from imbax.experiments.tabular.cells import train_cell
from imbax.experiments.tabular.plan import Protocol, plan

PLATFORMS = ("cpu", "cuda", "tpu")
ENGINE = Engine("vmap", tuple(jax.devices()[:1]))
# Variants of `ce` and DeepSMOTE with the same operations.
VARIANTS = ("focal", "asymmetric", "class_balanced", "ldam", "logit_adjustment", "weighted")
VARIANTS += ("deepsmote_none", "deepsmote_encoder", "deepsmote_inverse", "deepsmote_permuted")
VARIANTS += tuple(name for name in names() if name.startswith("eg_") and name != "eg_outer_ap")
VARIANTS += ("deepsmote_paper", "deepsmote_decoded", "latent_explicit_gradient_frozen")
VARIANTS += ("ce_long", "ce_tuned", "explicit_gradient_moved", "explicit_gradient_moved_frozen")
NEURAL = [name for name in names() if get(name).is_neural and name not in VARIANTS]
# Samplers in pixel space differ only in the rows that they add.
PIXELS = ("amdo", "mc_rbo", "mc_ccr", "ros", "smote")
IMAGES = [name for name in names("images") if name not in (*VARIANTS, *PIXELS)]
# Representatives in the first tier; `pytest -m thorough` tests the others.
SHOWN = ("adasyn", "explicit_gradient", "deepsmote")

_PROGRAMS = {}  # shared, for example, by all methods on images


@pytest.fixture
def lowered(monkeypatch):
    """Lowers programs for all platforms instead of running them."""
    exported = []

    def lower(self, shared, runs):
        shapes = jax.eval_shape(lambda *arguments: arguments, shared, *self._parts(runs))
        key = self, str(shapes)
        if key not in _PROGRAMS:
            _PROGRAMS[key] = jax.export.export(self._jitted, platforms=PLATFORMS)(*shapes)
        program = _PROGRAMS[key]
        assert program.platforms == PLATFORMS
        exported.append(program)
        zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in program.out_avals]
        return jax.tree.unflatten(program.out_tree, zeros)

    monkeypatch.setattr(Vectorized, "__call__", lower)
    monkeypatch.setattr(cells, "_compile", lambda *ahead: 0.0)
    return exported


@pytest.mark.thorough
@pytest.mark.parametrize("name", asked(NEURAL, SHOWN))
def test_training_on_tables(lowered, name):
    dataset, protocol = make_dataset(*toys.table(60, 20), name="toy"), Protocol(2, epochs=1)
    method, tables = get(name), get(name).tables
    if tables.needs_withheld:
        dataset = dataclasses.replace(dataset, keep=10)
        protocol = dataclasses.replace(protocol, scheme="repeats")
    cut, start = plan(dataset, [0], protocol), None
    if tables.starts_from:
        start = train_cell(cut, get(tables.starts_from), engine=ENGINE).progress
        lowered.clear()
    train_cell(cut, method, start=start, engine=ENGINE)
    # Initial parameters, test scores and validation scores are one program each.
    untrained = tables.starts_from is None or tables.refits
    assert len(lowered) == 4 + untrained - tables.resumes + (tables.resample is not None)


@pytest.mark.thorough
def test_training_in_bfloat16(lowered):
    protocol = Protocol(2, epochs=1, precision="bfloat16")
    cut = plan(make_dataset(*toys.table(60, 20), name="toy"), [0], protocol)
    train_cell(cut, get("ce"), engine=ENGINE)
    has_bfloat16 = ["bf16" in program.mlir_module() for program in lowered]
    assert has_bfloat16 == [False, False, True, False, False]


@pytest.mark.thorough
@pytest.mark.parametrize("name", asked(IMAGES, SHOWN))
def test_training_on_images(lowered, name, monkeypatch):
    monkeypatch.setitem(COUNTS, "toy", Counts((6, 4, 3), 2, (3, 2, 2)))
    rng, y = np.random.default_rng(0), np.arange(60) % 3
    images = Images("toy", rng.integers(0, 256, (60, 8, 8, 1), np.uint8), y, ("a", "b", "c"))
    options = {"folds": 1, "epochs": 1, "generator_epochs": 1, "width": 4, "latent": 4}
    cut = image_plan(images, [0], ImageProtocol(batch_size=8, **options))
    method = image_method(name).images
    trained = method.generator and train_generator(cut, method, engine=ENGINE)
    train_images(cut, method, trained and trained.fitted, engine=ENGINE)
    generator_programs = method.generator(cut.facts).epochs + 3 if method.generator else 0
    assert len(lowered) == generator_programs + 4 + (method.retrain is not None)
