"""Over-samplers: forms, counts, agreement with methods, small classes, saving and errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compilations
from quick_samplers import GAN, QUICK, TABLE_NAMES, quick
from saving import saved
from sklearn.base import clone
from tiers import asked

import imbax
from imbax import BAGAN, GAMO, DeepSMOTE, InputError
from imbax.estimators import value_scale
from imbax.estimators.generative import _epoch
from imbax.estimators.over_sampler import FIT, SAMPLE, compiled, padded, stream
from imbax.estimators.value_scale import scale_of
from imbax.methods import (
    adasyn,
    amdo,
    bagan,
    borderline_smote,
    cwgan,
    gamo,
    mc_ccr,
    mc_rbo,
    smote,
    sugar,
)
from imbax.methods.sampling import Sizes
from imbax.types import rows

pytestmark = [
    pytest.mark.filterwarnings("ignore:reconstructions of class"),
    pytest.mark.filterwarnings("ignore:class .*rows (of the class )?are made"),
]
TRAINED = ("GAMO", "DeepSMOTE", "BAGAN")  # these can sample after fit
WITHOUT_PARENTS = ("BAGAN", "BorderlineSMOTE", "ADASYN", "SUGAR")


def table(*counts, columns=3, seed=0):
    """Returns normal rows of classes 0, 1, ..., each around its own mean."""
    y = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).normal(size=(len(y), columns))
    return noise + 2 * y[:, None] * np.arange(columns), y


def counted(y):
    return dict(zip(*(part.tolist() for part in np.unique(y, return_counts=True)), strict=True))


# The first tier tests one sampler, and `pytest -m thorough` all.
FIRST_TIER = ("SMOTE",)
TESTED = asked(QUICK, FIRST_TIER)
FORMS = {
    "images": (lambda x: x, {}),
    "colour": (lambda x: np.stack([x, x, x // 2], -1), {}),
    "flat images": (lambda x: x.reshape(len(x), -1), {"image_shape": (8, 8)}),
    "floats": (lambda x: x.astype(np.float64) / 16, {}),
    "table": (lambda x: x.reshape(len(x), -1).astype(">i4"), {}),
}


# BAGAN does not accept tables.
FORMS_OF_TRAINED = {
    "GAMO": ("table",),
    "DeepSMOTE": ("colour", "flat images"),
    "BAGAN": ("floats",),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", asked(QUICK, ("SMOTE",)))
def test_output_has_the_form_and_dtype_of_the_input(digits, name, form):
    if name in TRAINED and form not in FORMS_OF_TRAINED[name]:
        pytest.skip("other forms represent it, since each shape compiles for seconds")
    change, options = FORMS[form]
    x, y = change(digits[0]), digits[1]
    before = x.copy()
    sampler = quick(name, **options)
    resampled, labels = sampler.fit_resample(x, y)
    np.testing.assert_array_equal(x, before)
    assert resampled.shape == (120, *x.shape[1:])
    assert resampled.dtype == x.dtype
    unchanged = ~sampler.moved_ if name == "MCCCR" else np.ones(len(x), bool)
    np.testing.assert_array_equal(resampled[: len(x)][unchanged], x[unchanged])
    np.testing.assert_array_equal(labels[: len(x)], y)
    assert counted(labels) == {"a": 40, "b": 40, "c": 40}
    np.testing.assert_array_equal(np.flatnonzero(sampler.is_synthetic_), np.arange(len(x), 120))
    made = resampled[len(x) :]
    assert len(np.unique(made.reshape(len(made), -1), axis=0)) > 5  # more than one per class
    if form != "table":
        assert made.min() >= x.min()
        assert made.max() <= (255 if x.dtype == np.uint8 else x.max())
    if name in WITHOUT_PARENTS:
        assert not hasattr(sampler, "parent_indices_")
    else:
        parents = sampler.parent_indices_.reshape(len(made), -1)
        assert parents.shape[1] == (2 if "SMOTE" in name else 1)
        assert (y[parents] == labels[len(x) :, None]).all()


STRATEGIES = {
    "auto": {"a": 40, "b": 40, "c": 40},
    "minority": {"a": 40, "b": 12, "c": 40},
    "not minority": {"a": 40, "b": 40, "c": 4},
    "all": {"a": 40, "b": 40, "c": 40},
    "dict": {"a": 40, "b": 13, "c": 9},
    "callable": {"a": 40, "b": 12, "c": 400},
    "nothing": {"a": 40, "b": 12, "c": 4},
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", TESTED)
def test_counts_follow_the_strategy(digits, name):
    x, y = digits
    resampled = {"dict": {"b": 13, "c": 9}, "callable": lambda y: {"c": 400}, "nothing": {"c": 4}}
    for strategy, expected in STRATEGIES.items():
        # All samplers share the code for strategies; each number compiles a generator's sampling.
        if name in TRAINED and strategy not in ("minority", "dict", "nothing"):
            continue
        sampler = quick(name, sampling_strategy=resampled.get(strategy, strategy))
        assert counted(sampler.fit_resample(x, y)[1]) == expected, strategy
    if name in TRAINED:
        return
    two = y != "c"
    sampler = quick(name, sampling_strategy=0.6)
    assert counted(sampler.fit_resample(x[two], y[two])[1]) == {"a": 40, "b": 24}


@pytest.mark.parametrize("name", TESTED)
def test_result_depends_only_on_the_seed(digits, name):
    one, again, other = (quick(name, random_state=s).fit_resample(*digits)[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one[56:] != other[56:]).any()


TABLE_SAMPLERS = asked((n for n in TABLE_NAMES if n != "DeepSMOTE"), FIRST_TIER)


@pytest.mark.parametrize("value_range", [None, (-20, 20)])
@pytest.mark.parametrize("name", TABLE_SAMPLERS)
def test_constant_columns_are_kept(name, value_range):
    x, y = table(30, 9)
    x[:, 1] = 0.1
    sampler = quick(name, value_range=value_range)
    resampled, _ = sampler.fit_resample(x, y)
    assert (resampled[:, 1] == 0.1).all()
    assert len(np.unique(resampled[39:, 0])) > 10
    if name in TRAINED:
        assert (sampler.sample(5, 1)[:, 1] == 0.1).all()


@pytest.mark.parametrize("name", TABLE_SAMPLERS)
def test_duplicate_rows_and_small_classes(name):
    x, y = table(30, 2, 9, 12)
    x[y == 2] = x[y == 2][0]  # one row nine times
    x[y == 3] = x[y == 3][:4].repeat(3, 0)
    resampled, labels = quick(name, sampling_strategy={1: 20, 2: 10, 3: 30}).fit_resample(x, y)
    assert counted(labels) == {0: 30, 1: 20, 2: 10, 3: 30}
    assert np.isfinite(resampled).all()
    if name in ("AMDO", "MCRBO"):
        np.testing.assert_allclose(resampled[53 + 18], x[y == 2][0], 1e-5)
    if name == "AMDO":  # on a line, only the two rows themselves are at their distance
        ends = np.unique(resampled[53:71].round(5), axis=0)
        np.testing.assert_array_equal(ends, np.unique(x[y == 1].round(5), axis=0))


@pytest.mark.parametrize("name", TESTED)
def test_class_with_a_single_row_is_repeated(digits, name):
    x, y = digits
    chosen = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in (("a", 9), ("b", 9), ("c", 1))])
    sampler = quick(name)
    if name == "MCCCR":
        resampled, labels = sampler.fit_resample(x[chosen], y[chosen])
        assert len(np.unique(resampled[19:], axis=0)) == 8
    else:
        with pytest.warns(UserWarning, match="class c has a single row; it can only be repeated"):
            resampled, labels = sampler.fit_resample(x[chosen], y[chosen])
        assert (resampled[19:] == resampled[19]).all()
    assert labels[19:].tolist() == ["c"] * 8
    if name not in WITHOUT_PARENTS:
        assert (sampler.parent_indices_ == 18).all()


@pytest.mark.thorough
def test_mc_rbo_step_moves_a_single_row():
    x, y = table(30, 1)
    resampled, _ = quick("MCRBO", step=0.01).fit_resample(x, y)
    assert len(np.unique(resampled[31:], axis=0)) > 10


@pytest.mark.thorough
def test_value_range_bounds_rows_of_tables():
    x, y = table(60, 40, columns=2)
    free, _ = quick("AMDO", sampling_strategy={1: 400}).fit_resample(x, y)
    assert free[100:, 1].max() > x[:, 1].max() + 0.1
    bound = (x.min(), x.max())
    kept, _ = quick("AMDO", sampling_strategy={1: 400}, value_range=bound).fit_resample(x, y)
    assert kept[100:].max() == bound[1]


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int64, np.uint64, bool, np.float16, np.float32]
)
def test_integers_are_clipped_to_their_dtype(dtype):
    """Values outside the dtype's range are clipped even without a value range."""
    real = np.issubdtype(dtype, np.floating)
    low, high = (0, 1) if dtype is bool or real else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([[low], [high]], dtype)
    far = scale_of(x).outside(np.array([[-3], [-0.6], [0.6], [3]]), clip=False)[:, 0]
    assert far.dtype == dtype
    assert (np.diff(far.astype(float)) >= 0).all()
    if real:
        np.testing.assert_allclose(far, [-1, 0.2, 0.8, 2], 1e-3)
    else:
        assert far[0] == low
        assert far[3] >= 0.99 * high
        inner = far[1:3].astype(float)  # -0.6 and 0.6 of the way, rounded
        np.testing.assert_allclose(inner, np.rint(low + np.array([0.2, 0.8]) * (high - low)), 1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_scaling_does_not_depend_on_blocks(dtype, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (23, 5)).astype(dtype)
    made = np.random.default_rng(1).normal(size=(23, 5)).astype(np.float32)
    scale = scale_of(x)
    both = lambda: (scale.inside(x), scale.outside(made, clip=False, fixed=True))
    whole = both()
    monkeypatch.setattr(value_scale, "_BLOCK", 7)
    for one, other in zip(whole, both(), strict=True):
        assert np.ptp(one) > 0
        np.testing.assert_array_equal(one, other)


@pytest.mark.thorough
def test_mc_ccr_marks_moved_rows():
    x, y = table(60, 9, columns=4)
    sampler = quick("MCCCR", energy=1.5)
    resampled, _ = sampler.fit_resample(x, y)
    changed = (resampled[:69] != x).any(1)
    np.testing.assert_array_equal(sampler.moved_, changed)
    assert 0 < changed.sum() < 60
    assert (y[changed] == 0).all()
    unchanged = quick("MCCCR", energy=1.5, clean=False)
    np.testing.assert_array_equal(unchanged.fit_resample(x, y)[0][:69], x)
    assert not unchanged.moved_.any()


def fitted(name, digits, **options):
    """Fits a sampler on the digits as a table (BAGAN: as images).

    Returns the sampler, its input, its output, and the method's key, view and wanted counts.
    """
    x, y = digits
    x = (x if name == "BAGAN" else x.reshape(len(x), -1)).astype(np.float64)
    sampler = quick(name, **options)
    resampled, _ = sampler.fit_resample(x, y)
    labels = np.unique(y, return_inverse=True)[1]
    key = stream(np.random.RandomState(0).randint(2**31 - 1), SAMPLE)
    view = rows(scale_of(x).inside(x), labels)
    return sampler, x, resampled, (key, view, jnp.array([0, 28, 36]))


def varying(view, x):
    """Returns the view with its constant columns marked."""
    return view._replace(factor=jnp.array(np.ptp(x, 0) > 0, float))


def assert_rows(sampler, resampled, x):
    """Checks that rows are those of a method, `x [n, d]`, in the user's scale."""
    middle, half = ((sampler.scale_.high + s * sampler.scale_.low) / 2 for s in (1, -1))
    expected = middle + half * np.asarray(x, np.float64)
    # Eigenvectors and distances carry rounding of float32 over the images' range of 16.
    np.testing.assert_allclose(resampled.reshape(len(resampled), -1), expected, 1e-4, 1e-3)


def assert_made(sampler, resampled, changed):
    """Checks that the last 64 rows are those that a method adds."""
    assert_rows(sampler, resampled[56:], changed.x_synth[-64:])
    np.testing.assert_array_equal(changed.w[-64:], 1)
    if hasattr(sampler, "parent_indices_"):
        np.testing.assert_array_equal(sampler.parent_indices_, changed.parents[:, 0])


SIZES = Sizes(max_rows=12, max_synth=64, max_class=40)


def test_smote_matches_the_method(digits):
    sampler, _, resampled, arguments = fitted("SMOTE", digits, k_neighbors=3)
    made = smote.smote(*arguments, SIZES, k_neighbors=3)
    assert_rows(sampler, resampled[56:], made.x)
    np.testing.assert_array_equal(sampler.parent_indices_, made.parents)
    np.testing.assert_allclose(sampler.interpolation_weights_, made.gap)


REST = {
    "BorderlineSMOTE": (
        borderline_smote,
        {"k_neighbors": 3, "m_neighbors": 30, "kind": "borderline-2"},
    ),
    "ADASYN": (adasyn, {"n_neighbors": 4}),
    "SUGAR": (sugar, {"k_neighbors": 4, "steps": 2}),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", REST)
def test_one_vs_rest_samplers_match_the_methods(digits, name):
    """The method is called with the class against all others."""
    method, options = REST[name]
    sampler, x, resampled, (key, view, number) = fitted(name, digits, **options)
    view, at = varying(view, x), 56
    # Parameter names of the method.
    names = {"n_neighbors": "k_neighbors"}
    options = {names.get(n, n): 2 if n == "kind" else v for n, v in options.items()}
    draw = jax.jit(partial(method.sample, **options), static_argnums=3)
    for c in (1, 2):
        one_vs_rest = view._replace(target=(view.target == c).astype(float))
        arguments_of_two = jax.random.fold_in(key, c), one_vs_rest, jnp.array([0, number[c]])
        made = draw(*arguments_of_two, Sizes(max_rows=12, max_synth=40)).x_synth[: number[c]]
        assert_rows(sampler, resampled[at : at + number[c]], made)
        at += number[c]
    assert at == len(resampled)


@pytest.mark.thorough
def test_cwgan_matches_the_method_in_the_class_range():
    x, y = table(60, 20)
    sampler = clone(GAN)
    resampled, labels = sampler.fit_resample(x, y)
    assert counted(labels) == {0: 60, 1: 60}
    np.testing.assert_array_equal(resampled[:80], x)
    view = rows(*padded(scale_of(x).inside(x), y.astype(np.float32)))
    config = cwgan.Config(40, batch_size=8, learning_rate=1e-2, classifier_steps=14)
    draw = jax.jit(partial(cwgan.sample, config=config), static_argnums=3)
    key = jax.random.fold_in(stream(np.random.RandomState(0).randint(2**31 - 1), SAMPLE), 1)
    made = draw(key, view, jnp.array([0, 40]), Sizes(max_rows=256, max_synth=256))
    assert_rows(sampler, resampled[80:], made.x_synth[:40])
    assert (resampled[80:] >= x[y == 1].min(0) - 1e-5).all()
    assert (resampled[80:] <= x[y == 1].max(0) + 1e-5).all()
    assert len(np.unique(resampled[80:], axis=0)) > 20


def test_fallback_gives_a_warning():
    x, y = table(30, 9)
    x[y == 1] += 100  # no row is near another class
    with pytest.warns(UserWarning, match="class 1: no row of another.*; rows are made as by SMOTE"):
        resampled, _ = quick("ADASYN").fit_resample(x, y)
    assert len(np.unique(resampled[39:], axis=0)) == 21


@pytest.mark.thorough
@pytest.mark.parametrize("options", [{}, {"k_neighbors": 3, "share": 1.0, "reference": True}])
def test_amdo_matches_the_method(digits, options):
    sampler, _, resampled, arguments = fitted("AMDO", digits, **options)
    assert_made(sampler, resampled, amdo.sample(*arguments, SIZES, **options))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "method_options"),
    [({}, {}), ({"energy": 3, "p": 2}, {"energy": 6.0, "p": 2}), ({"clean": False}, {})],
)
def test_mc_ccr_matches_the_method(digits, options, method_options):
    sampler, x, resampled, (key, view, number) = fitted("MCCCR", digits, **options)
    method_options, view = method_options | {"clean": options.get("clean", True)}, varying(view, x)
    changed = mc_ccr.sample(key, view, number, SIZES, **method_options)
    assert_made(sampler, resampled, changed)
    pushed = changed.x_synth[:56]
    assert_rows(sampler, resampled[:56], pushed)
    np.testing.assert_array_equal(sampler.moved_, (pushed != view.all().x).any(1))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "method_options"),
    [
        ({}, {}),
        ({"gamma": 4, "step": 0.02, "n_neighbors": 7}, {"gamma": 8, "step": 0.04, "neighbors": 7}),
    ],
)
def test_mc_rbo_matches_the_method(digits, options, method_options):
    sampler, x, resampled, (key, view, number) = fitted("MCRBO", digits, **options)
    changed = mc_rbo.sample(key, varying(view, x), number, SIZES, steps=20, **method_options)
    assert_made(sampler, resampled, changed)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "method", "config", "hparams"),
    [
        ("GAMO", gamo, gamo.Config(64, 3, 256, noise=4, epochs=1), gamo.Hparams()),
        ("BAGAN", bagan, bagan.Config((8, 8, 1), 3, 4, 2, 1, 1, 32), bagan.Hparams(3e-2)),
    ],
)
def test_trained_samplers_match_the_methods(digits, name, method, config, hparams):
    sampler, _, resampled, (key, view, number) = fitted(name, digits)
    pad = lambda a: jnp.pad(a, ((0, 200),) + ((0, 0),) * (a.ndim - 1))
    view, fit_key = rows(*map(pad, view.all())), stream(sampler._seed, FIT)

    model = method.generator(config, hparams)
    epoch = jax.jit(model.epoch)
    state, losses = jax.jit(model.init)(fit_key, view), []
    for _ in range(model.epochs):
        state, loss = epoch(fit_key, state, view)
        losses.append(loss)
    np.testing.assert_allclose(sampler.loss_curve_, losses, 1e-5)
    draw = jax.jit(model.sample, static_argnums=4)
    assert_made(sampler, resampled, draw(key, model.finish(state, view), view, number, SIZES))


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAINED)
def test_sample_has_requested_rows_and_depends_on_seed(digits, name):
    sampler = quick(name, value_range=(0, 16)).fit(*digits)
    made = sampler.sample(5, "c")
    assert made.shape == (5, 8, 8)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(sampler.sample(3, "c"), made[:3])
    assert (made != sampler.sample(5, "c", random_state=3)).any()
    assert len(sampler.sample(0, "b")) == 0
    with pytest.raises(InputError, match="label='z', expected one of"):
        sampler.sample(2, "z")
    for wrong in (-1, 1.5):
        with pytest.raises(InputError, match=f"n_samples={wrong}, expected a whole number"):
            sampler.sample(wrong, "b")


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAINED)
def test_saved_sampler_is_equal(digits, name, tmp_path):
    sampler = quick(name, value_range=(0, 16), sampling_strategy={"c": 9}).fit(*digits)
    sampler.save(tmp_path / "a.safetensors")
    kind = type(sampler)
    for again in (*saved(sampler), kind.load(tmp_path / "a.safetensors")):
        np.testing.assert_array_equal(again.sample(6, "b"), sampler.sample(6, "b"))
        assert again.loss_curve_ == sampler.loss_curve_
        assert again.n_iter_ == sampler.n_iter_
        assert again.n_features_in_ == sampler.n_features_in_
        assert again.sampling_strategy_ == sampler.sampling_strategy_ == {"c": 5}
        assert again.get_params() | {"random_state": 0} == sampler.get_params()
    other = {"GAMO": BAGAN, "DeepSMOTE": GAMO, "BAGAN": DeepSMOTE}[name]
    with pytest.raises(InputError, match=f"was not written by {other.__name__}.save"):
        other.load(tmp_path / "a.safetensors")
    sampler.set_params(sampling_strategy=lambda y: {"c": 9})
    with pytest.raises(InputError, match="only plain parameters and labels can be saved"):
        sampler.save(tmp_path / "b.safetensors")


@pytest.mark.parametrize("name", asked(TRAINED, ("DeepSMOTE",)))
def test_refit_compiles_nothing(digits, name):
    x, y = digits
    quick(name, value_range=(0, 16)).fit(x, y)
    before = _epoch._cache_size()
    quick(name, value_range=(0, 16), learning_rate_init=3e-4).fit(x[1:], y[1:])
    assert _epoch._cache_size() == before > 0


def test_similar_sizes_share_compiled_programs():
    options = {"sampling_strategy": {1: 200}}
    quick("SMOTE", **options).fit_resample(*table(1000, 100))
    with compilations() as made:
        quick("SMOTE", **options).fit_resample(*table(1030, 99))
    assert made == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAINED)
def test_losses_are_printed_and_must_be_finite(digits, name, capsys):
    sampler = quick(name, value_range=(0, 16), verbose=True).fit(*digits)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"Iteration 1, loss = {sampler.loss_curve_[0]:.8f}"
    assert len(printed) == sampler.n_iter_ == len(sampler.loss_curve_)
    with pytest.raises(InputError, match="did not give a finite loss; lower learning_rate_init"):
        quick(name, value_range=(0, 16), learning_rate_init=1e38).fit(*digits)


@pytest.mark.thorough
def test_gamo_is_not_trained_for_the_largest_class():
    x, y = table(300, 20)
    sampler = quick("GAMO").fit(x, y)
    with pytest.raises(InputError, match=r"class 0 has 300 rows, .* combines at most 256"):
        sampler.sample(2, 0)
    message = "class 0 is the largest, for which the generator is not trained"
    sampler = quick("GAMO", sampling_strategy={0: 310})
    with pytest.warns(UserWarning, match=message):
        resampled, labels = sampler.fit_resample(x, y)
    assert (labels[320:] == 0).all()
    inside = (resampled[320:] > x[y == 0].min(0)) & (resampled[320:] < x[y == 0].max(0))
    assert inside.all()
    with pytest.warns(UserWarning, match=message):
        assert len(sampler.sample(2, 0)) == 2
    x, y = table(300, 300)  # the generator is trained for both
    assert len(quick("GAMO").fit(x, y).sample(2, 0)) == 2


def test_float_options_are_traced_and_others_static():
    traced = []

    def sample(key, train, wanted, sizes, *, scale, n, share=0.5):
        assert isinstance(share, float)
        traced.append((scale, n, share))
        return wanted * (7 if scale == "auto" else scale) * n

    call = partial(compiled(sample, "share"), jax.random.key(0), None, 2.0, SIZES)
    assert [call(scale=s, n=3) for s in (1.5, 2.5, "auto", "auto")] == [9, 15, 42, 42]
    assert call(scale=1.5, n=4) == 12
    assert len(traced) == 3
    for share in (0.1, 0.2, 0.1):  # a static float
        assert call(scale=1.5, n=3, share=share) == 9
    assert [share for *_, share in traced[3:]] == [0.1, 0.2]


ZEROS = np.zeros((6, 8, 8), np.uint8)
WRONG = {
    "sides": (ZEROS[:, :3], {}, "sides of at least 4"),
    "channels": (np.zeros((6, 3, 8, 8)), {}, "seem to have channels first"),
    "axes": (np.zeros((6, 2, 8, 8, 1)), {}, "X has 5 axes"),
    "product": (ZEROS.reshape(6, 64), {"image_shape": (8, 9)}, r"image_shape=\(8, 9\) for rows of"),
    "twice": (ZEROS, {"image_shape": (4, 16)}, "but X has images of"),
    "order": (ZEROS, {"value_range": (1, 0)}, "expected .minimum, maximum."),
    "range": (ZEROS + 9, {"value_range": (0, 1)}, "values from 9 to 9, outside"),
    "mixed": ([np.zeros((8, 8))] * 5 + [np.zeros((8, 9))], {}, "rows of different shapes"),
    "one class": (ZEROS, {"y": np.ones(6)}, "more than 1 class"),
    "NaN": (ZEROS + np.nan, {}, "NaN"),
}


@pytest.mark.parametrize("name", QUICK)
def test_invalid_input_is_refused(name):
    for x, options, message in WRONG.values():
        y = options.get("y", np.repeat([0, 1], [4, 2]))
        options = {name: value for name, value in options.items() if name != "y"}
        with pytest.raises(ValueError, match=message):
            quick(name, **options).fit_resample(x, y)
    if name != "MCCCR":
        with pytest.raises(InputError, match="all 6 classes have a single row"):
            quick(name).fit_resample(ZEROS, np.arange(6))


def test_samplers_are_public():
    for name, sampler in (QUICK | {"CWGAN": GAN}).items():
        assert getattr(imbax, name) is type(sampler)
        assert name in imbax.__all__
