"""Image experiments, with three classes of 8 x 8 images and one-layer networks."""

import dataclasses
import functools
import runpy
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from imbax.catalogue import image_method, names, registry
from imbax.catalogue.adapters import class_weights
from imbax.data.images import Images
from imbax.data.imbalance import COUNTS, Counts
from imbax.engine.float32 import in_float32
from imbax.engine.vectorize import Engine, Vectorized
from imbax.errors import InputError
from imbax.experiments import store
from imbax.experiments.closure import definitions_of
from imbax.experiments.images import cells, lab
from imbax.experiments.images.metrics import METRICS, TESTS
from imbax.experiments.images.plan import ImageProtocol, image_plan
from imbax.experiments.images.records import image_records, rescored
from imbax.experiments.images.schema import SCHEMA, unpack
from imbax.experiments.lab import Cell
from imbax.experiments.run import run_cells
from imbax.methods import deepsmote, image_classifier
from imbax.networks.batch_norm import NormalizedNetwork
from imbax.reports.images import report
from imbax.reports.images.report import write_image_report
from imbax.reports.images.tables import (
    image_summary,
    mean_scores,
    paired,
    readings_table,
    score_table,
)

NAMES = ("ce", "weighted", "ros", "smote", "deepsmote", "deepsmote_permuted")
PROTOCOL = ImageProtocol(
    folds=2, epochs=3, batch_size=8, latent=6, generator_epochs=3, generator_learning_rate=0.01
)


def one_layer(inputs, outputs, end):
    """Network `end(x w)` on flattened inputs, with statistics that change in training."""

    def init(key):
        w = 0.1 * jax.random.normal(key, (inputs, outputs))
        return {"w": w}, {"mean": jnp.zeros(())}

    def apply(params, stats, x, w=None):
        mean = stats["mean"] if w is None else 0.9 * stats["mean"] + 0.1 * x.mean()
        return end(x.reshape(len(x), -1) @ params["w"]), {"mean": mean}

    return NormalizedNetwork(init, apply)


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        programs = (cells._generator, cells._sampler, cells._classifier)
        for program in programs:
            program.cache_clear()
        yield
        for program in programs:
            program.cache_clear()


def make_small(patch):
    """Use counts of `toy`, and replace all networks by one-layer networks."""
    patch.setitem(COUNTS, "toy", Counts((12, 6, 3), 4, (4, 2, 1)))
    plain = lambda z: z
    patch.setattr(image_classifier, "_network", lambda config: one_layer(64, 3, plain))
    patch.setattr(deepsmote, "encoder", lambda shape, latent: one_layer(64, latent, plain))
    picture = lambda z: jnp.tanh(z).reshape(-1, 8, 8, 1)
    patch.setattr(deepsmote, "decoder", lambda shape, latent, kind: one_layer(latent, 64, picture))


def toy(test_noise=0):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = np.clip(rng.normal(60 + 60 * y[:, None], 40, (120, 64)), 0, 255)
    x[:, :20] = np.where(y[:, None] == 0, 250 - x[:, :20], x[:, :20])
    data = Images("toy", x.reshape(-1, 8, 8, 1).astype(np.uint8), y, ("a", "b", "c"))
    if test_noise:
        plan = image_plan(data, [0], dataclasses.replace(PROTOCOL, folds=1))
        data.x[plan.splits[0].test] = rng.integers(0, 256, (12, 8, 8, 1))
    return data


def run(out, methods=NAMES, seeds=range(2), data=None, **changes):
    it = lab.ImageLab(dataclasses.replace(PROTOCOL, **changes), out=out, suite="toy")
    chosen = [image_method(name) for name in methods]
    outcome = run_cells(it, [("toy", lambda: data or toy())], chosen, seeds, required=True)
    assert not outcome.failed
    return it


def stored(out):
    return store.read([out], SCHEMA, arrays=True)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy")
    run(out)
    return out


@pytest.mark.thorough
def test_runs_are_recorded_with_their_scores(results):
    rows = stored(results)
    assert len(rows) == len(NAMES) * 4
    assert not rows["diverged"].any()
    assert (rows["n_train"] == 21).all() and (rows["n_test"] == 12).all()
    added = rows.groupby("method")["n_added"].first()
    assert added["ce"] == added["weighted"] == 0
    assert added["ros"] == added["smote"] == added["deepsmote"] == 15
    for _, row in rows.iterrows():
        for test, sizes in zip(TESTS, ((4, 4, 4), (4, 2, 1)), strict=True):
            matrix = np.array(row[f"{test}_confusion"]).reshape(3, 3)
            np.testing.assert_array_equal(matrix.sum(1), sizes)
            true, predicted = np.repeat(np.indices((3, 3)).reshape(2, -1), matrix.ravel(), axis=1)
            expected = balanced_accuracy_score(true, predicted)
            assert row[f"{test}_acsa"] == pytest.approx(expected, abs=1e-6)
    assert rows["balanced_acsa"].mean() > 0.6


@pytest.mark.thorough
def test_example_images_are_stored(results):
    rows = stored(results).set_index("method")
    for name in NAMES:
        looks = unpack(rows.loc[name, "looks"].iloc[0])
        assert ("generated" in looks) == (name not in ("ce", "weighted", "ros"))
        assert ("reconstruction" in looks) == name.startswith("deepsmote")
        assert all(images.shape == (3, 10, 8, 8, 1) for images in looks.values())
    smote = unpack(rows.loc["smote", "looks"].iloc[0])
    assert (smote["generated"][0] == 255).all()  # no synthetic images of the largest class
    assert (smote["generated"][1:] != 255).any()
    assert rows.loc["deepsmote", "variance_kept"].map(len).eq(3).all()


@pytest.mark.thorough
def test_classifier_trains_on_balanced_classes(results):
    plan = image_plan(toy(), [0], PROTOCOL)
    expected = {"ce": [12, 6, 3], "ros": [12, 12, 12], "smote": [12, 12, 12]}
    for name, counts in expected.items():
        method = image_method(name)
        changed, _ = sampler_of(method, plan)(plan.shared, plan.runs)
        run = jax.tree.map(lambda leaf: leaf[0], plan.runs.resampled(changed))
        train = cells._view(plan.shared, run.train, run.x_synth, run.y_synth)
        assert len(train.index) == 36
        np.testing.assert_array_equal(np.bincount(train.y, train.w, 3), counts)
        np.testing.assert_array_equal(train.index[:21], plan.splits[0].train)
        assert np.abs(train.all().x[np.asarray(train.w) > 0]).max() <= 1


def without(monkeypatch, *trainings):
    """Make functions raise; keys do not change, since they depend on the wrapped code."""
    for name in trainings:

        @functools.wraps(getattr(cells, name))
        def never(*_, **__):
            raise AssertionError("computed again")

        monkeypatch.setattr(lab, name, never)


def test_stored_results_are_not_computed_again(results, monkeypatch):
    without(monkeypatch, "train_images", "train_generator")
    before = stored(results)
    run(results)
    pd.testing.assert_frame_equal(stored(results), before)


@pytest.mark.thorough
def test_results_do_not_depend_on_other_runs(results, tmp_path):
    run(tmp_path, ("deepsmote", "smote"), seeds=[1])
    single, all_ = (
        stored(out).query("seed == 1 and method in ('deepsmote', 'smote')").reset_index(drop=True)
        for out in (tmp_path, results)
    )
    pd.testing.assert_frame_equal(single, all_)


def test_methods_share_a_trained_generator(results, tmp_path, monkeypatch):
    without(monkeypatch, "train_generator")
    shutil.copytree(results / "states", tmp_path / "states")
    run(tmp_path, ("deepsmote_decoded",))
    rows = stored(tmp_path).set_index("method").loc["deepsmote_decoded"]
    assert len(rows) == 4


def test_interrupted_generators_resume(tmp_path, monkeypatch):
    run(tmp_path / "whole", ("deepsmote",), seeds=[0])
    epochs = [0, 0]

    @functools.wraps(cells.train_generator)
    def stopped(plan, method, *, on_share, **given):
        def until_the_second(share):
            epochs[0] += 1
            if epochs[0] == 2:
                raise KeyboardInterrupt

        return cells.train_generator(plan, method, on_share=until_the_second, **given)

    @functools.wraps(cells.train_generator)
    def counted(plan, method, *, on_share, **given):
        def count(share):
            epochs[1] += 1

        return cells.train_generator(plan, method, on_share=count, **given)

    monkeypatch.setattr(lab, "_KEEP_EVERY", 0.0)
    monkeypatch.setattr(lab, "train_generator", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", ("deepsmote",), seeds=[0])
    (unfinished,) = (tmp_path / "parts").rglob("*unfinished*")
    plan = image_plan(toy(), [0], PROTOCOL)
    state, _ = in_float32(cells.generator_shapes)(plan, image_method("deepsmote").images)
    begun = lab._Unfinished(tmp_path, unfinished, [0], 3).read(state, 2)
    monkeypatch.setattr(lab, "train_generator", counted)
    run(tmp_path / "parts", ("deepsmote",), seeds=[0])

    assert (len(begun.losses), epochs[1]) == (2, 1)
    assert not unfinished.exists()
    whole, parts = (stored(tmp_path / folder) for folder in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole, parts)
    (about,) = store.read_provenance([tmp_path / "parts"])
    assert about["timing"]["run_seconds"] > begun.seconds.run > 0


def test_epochs_donate_the_previous_state(tmp_path, monkeypatch):
    taken, once = [], Vectorized._run

    def watched(self, shared, runs):
        result = once(self, shared, runs)
        if runs.state is not None:
            state = jax.tree.leaves(runs.state)
            taken.append({leaf.is_deleted() for leaf in state} == {True})
        return result

    monkeypatch.setattr(Vectorized, "_run", watched)
    # An earlier compiled program might split several runs into parts.
    run(tmp_path, ("deepsmote",), seeds=[0])
    assert taken == [True] * 3 + [False] + [True] * 3 + [False]


def test_unfinished_states_of_other_shapes_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "_KEEP_EVERY", 0.0)
    path, state = tmp_path / "unfinished.safetensors", {"w": np.ones((2, 3), np.float32)}
    kept = lab._Unfinished(tmp_path, path, [0], epochs=5)
    assert kept.read(state, 2) is None
    losses = (np.array([3, 2], np.float32), np.array([1, np.nan], np.float32))
    kept.now_and_then(cells.Begun(state, losses, cells.Seconds(0.5, 1.0)))
    begun = kept.read(state, 2)
    np.testing.assert_array_equal(begun.state["w"], state["w"])
    np.testing.assert_array_equal(begun.losses, losses)
    assert begun.seconds == (0.5, 1.0)
    for other, shapes in (
        (lab._Unfinished(tmp_path, path, [0, 1], epochs=5), state),
        (lab._Unfinished(tmp_path, path, [0], epochs=6), state),
        (kept, {"w": np.ones((2, 4), np.float32)}),
        (kept, {"v": state["w"]}),
    ):
        with pytest.warns(UserWarning, match="computed again instead of reading .*unfinished"):
            assert other.read(shapes, 2) is None


def sampler_of(method, plan):
    return cells._sampler(method.images.resample, method.images.generator, plan.facts, Engine())


@pytest.mark.parametrize(
    "name",
    [
        "smote",
        pytest.param("amdo", marks=pytest.mark.thorough),
        pytest.param("mc_ccr", marks=pytest.mark.thorough),
        pytest.param("mc_rbo", marks=pytest.mark.thorough),
        pytest.param("gamo", marks=pytest.mark.thorough),
        pytest.param("bagan", marks=pytest.mark.thorough),
    ],
)
def test_over_samplers_balance_the_classes(name):
    plan, method = image_plan(toy(), [0], PROTOCOL), image_method(name)
    fitted = cells.train_generator(plan, method.images).fitted if method.images.generator else None
    sampled = sampler_of(method, plan)(plan.shared, plan.runs._replace(fitted=fitted))
    changed = jax.device_get(sampled[0])
    n = len(plan.shared[1])
    for run, part in enumerate(plan.splits):
        row, y = changed.index[run], changed.y_synth[run]
        assert (changed.w[run] == 1).all()
        labels = np.where(row < n, plan.shared[1][row % n], y[np.maximum(row - n, 0)])
        np.testing.assert_array_equal(np.bincount(labels), [12, 12, 12])
        if name == "mc_ccr":  # all rows are stored in the run, since real rows may have moved
            np.testing.assert_array_equal(row, n + np.arange(36))
            before = plan.shared[0][part.train] / 127.5 - 1
            moved = np.abs(changed.x_synth[run][:21] - before).max(1) > 1e-4
            assert moved.any()
            assert not moved[
                plan.shared[1][part.train] == 2
            ].any()  # rows of the smallest class never move
        else:
            np.testing.assert_array_equal(row[:21], part.train)
        assert (np.abs(changed.x_synth[run]) <= 1).all()
    assert (changed.x_synth[0] != changed.x_synth[1]).any()


@pytest.mark.thorough
def test_fixed_codes_give_the_images_of_deepsmote():
    names = ("deepsmote", "latent_explicit_gradient_frozen", "latent_explicit_gradient")
    plan, other = (image_plan(toy(noise), [0], PROTOCOL) for noise in (0, 1))
    fitted = cells.train_generator(plan, image_method("deepsmote").images).fitted
    made = []
    for method in map(image_method, names):
        sampler = sampler_of(method, plan)
        made.append(jax.device_get(sampler(plan.shared, plan.runs._replace(fitted=fitted))))
    jax.tree.map(np.testing.assert_array_equal, *made[:2])
    (plain, _), _, (moved, _) = made
    for name in ("index", "w", "y_synth"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(moved, name))
    moves = np.abs(moved.x_synth - plain.x_synth)
    assert (moves.max(2) > 1e-4).all()  # all images
    assert np.abs(moved.x_synth).max() <= 1
    # Test images of the first run differ; only training images are used.
    again, _ = jax.device_get(sampler(other.shared, other.runs._replace(fitted=fitted)))
    assert (other.shared[0][plan.splits[0].test] != plan.shared[0][plan.splits[0].test]).any()
    np.testing.assert_array_equal(again.x_synth[0], moved.x_synth[0])


def test_key_depends_on_the_protocol(results):
    it = lab.ImageLab(dataclasses.replace(PROTOCOL, epochs=4), out=results, suite="toy")
    assert it.missing(it.cell(toy(), image_method("ce")), [0]) == [0]
    assert it._generator_key(toy(), image_method("deepsmote")) == lab.ImageLab(
        PROTOCOL, out=results
    )._generator_key(toy(), image_method("deepsmote"))


@pytest.mark.thorough
def test_training_does_not_depend_on_test_images():
    one = dataclasses.replace(PROTOCOL, folds=1)
    method = image_method("deepsmote").images
    losses = []
    for noise in (0, 1):
        plan = image_plan(toy(noise), [0], one)
        trained = cells.train_generator(plan, method)
        result = cells.train_images(plan, method, trained.fitted)
        losses.append((trained.loss, result.loss))
    jax.tree.map(np.testing.assert_array_equal, *losses)


def test_class_weights_are_inverse_frequencies():
    facts = image_plan(toy(), [0], PROTOCOL).facts
    np.testing.assert_allclose(class_weights(True, facts) * (12, 6, 3), 7)
    assert (class_weights(False, facts) == 1).all()


def test_report_has_tables_and_figures(results, tmp_path):
    text = write_image_report([results], tmp_path).read_text()
    for name in NAMES:
        assert f"| {name} |" in text
    for part in ("Scores, balanced test", "Differences from the controls", "Variants of DeepSMOTE"):
        assert f"### {part}" in text
    shown = [line.split("(")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(shown) == 9
    assert all((tmp_path / path).stat().st_size > 5000 for path in shown)
    assert (tmp_path / "tables" / "timings.csv").is_file()
    summary = pd.read_csv(tmp_path / "tables" / "summary.csv")
    assert len(summary) == 2 * summary["method"].nunique()
    scores = pd.read_csv(tmp_path / "tables" / "scores.csv", index_col="dataset").loc["toy"]
    assert scores.index.tolist() == list(NAMES)
    balanced = summary.query("test == 'balanced'").set_index("method")["acsa"]
    np.testing.assert_allclose(scores, (balanced[scores.index] / 100).round(6))
    assert "Comparison over all data sets" not in text


def test_methods_are_ranked_over_comparable_data_sets(results, tmp_path, monkeypatch):
    names = [f"toy{number}" for number in range(7)]
    runs = pd.concat([stored(results).assign(dataset=name) for name in names], ignore_index=True)
    abouts = [one | {"dataset": name} for name in names for one in store.read_provenance([results])]
    abouts[-1] = abouts[-1] | {"config": {}}
    monkeypatch.setattr(report.store, "read", lambda *_, **__: runs)
    monkeypatch.setattr(report.store, "read_provenance", lambda *_: abouts)
    monkeypatch.setattr(report, "_figures", lambda *_: "")
    text = write_image_report([results], tmp_path).read_text()
    assert "## Comparison over all data sets" in text
    assert "Mean rank over 6 data sets" in text
    overview = text.split("## ")[0]
    for stem in ("overview", "critical_difference", "win_rates"):
        assert f"(figures/{stem}.png)" in overview, stem
        assert (tmp_path / "figures" / f"{stem}.png").is_file(), stem
    assert "- toy0, toy1, toy2, toy3, toy4, toy5, toy6: not recorded" in text


def test_float32_rounding_does_not_break_ties():
    scores = {"a": (np.float32(0.7), np.float32(0.2)), "b": (np.float32(0.3), np.float32(0.6))}
    rows = [("toy", m, float(score)) for m, pair in scores.items() for score in pair]
    means = mean_scores(pd.DataFrame(rows, columns=["dataset", "method", "balanced_acsa"]))
    assert rows[0][2] + rows[1][2] != rows[2][2] + rows[3][2]
    assert means.loc["toy", "a"] == means.loc["toy", "b"] == 0.45


@pytest.mark.thorough
def test_counts_of_the_images_override_counts_by_name(results):
    counts = Counts((5, 12, 4), 3, (3, 2, 1))
    data = dataclasses.replace(toy(), counts=counts)
    plan = image_plan(data, [0], PROTOCOL)
    assert plan.facts.counts == counts.train
    assert [len(part.test) for part in plan.splits] == [9, 9]
    it, method = lab.ImageLab(PROTOCOL, out=results), image_method("deepsmote")
    assert it.cell(data, method).key != it.cell(toy(), method).key
    assert it._generator_key(data, method) != it._generator_key(toy(), method)


def test_largest_and_smallest_class_are_found_by_counts():
    rows = pd.DataFrame(
        {
            "method": ["deepsmote", "deepsmote_none"],
            "balanced_acsa": 0.5,
            "variance_kept": [np.array([0.1, 0.2, 0.3])] * 2,
            "generator_epochs": 1,
        }
    )
    (line,) = (
        s for s in readings_table(rows, (3, 9, 5)).splitlines() if s.startswith("| deepsmote |")
    )
    assert [cell.strip() for cell in line.split("|")[3:5]] == ["0.20", "0.10"]


def test_paper_columns_are_shown(results):
    runs = stored(results).assign(dataset="mnist")
    summary = image_summary(runs).set_index(["test", "method"])
    assert summary.loc[("imbalanced", "deepsmote"), "acsa_paper"] == 96.16
    assert summary.loc[("balanced", "smote"), "f1_paper"] == 85.02
    assert np.isnan(summary.loc[("balanced", "ros"), "acsa_paper"])


def test_impossible_values_of_the_paper_are_marked(results):
    summary = image_summary(stored(results).assign(dataset="mnist"))
    assert "98.11 ?" in score_table(summary, "mnist", "imbalanced")  # √0.9616 = 0.9806
    assert "?" not in score_table(summary, "mnist", "balanced")


def test_classes_with_one_image_give_a_notice(results):
    about = store.read_provenance([results])[0]
    assert "SMOTE can only duplicate" not in report._counts(about, stored(results))
    about["dataset_facts"]["train"] = [12, 6, 1]
    text = report._counts(about, stored(results))
    assert "- c: only one training image, which SMOTE can only duplicate" in text


@pytest.mark.thorough
def test_results_of_two_protocols_are_not_compared(results, tmp_path):
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    run(tmp_path, ("ce",), epochs=4)
    text = write_image_report([tmp_path], tmp_path).read_text()
    assert "two settings of ce on toy" in text
    assert "methods should not be compared" in text
    assert "Differences from the controls" not in text


def test_diverged_generators_are_recorded(results):
    plan = image_plan(toy(), [0], PROTOCOL)
    result = cells.train_images(plan, image_method("ce").images)
    trained = cells.GeneratorResult(None, np.array([[np.nan] * 3, [1.0, np.nan, np.nan]]), {}, None)
    rows = image_records(plan, Cell("toy", toy(), image_method("ce"), "resnet"), result, trained)
    assert [row["diverged"] for row in rows] == [True, False]
    assert np.isnan(rows[0]["balanced_acsa"]) and rows[1]["balanced_acsa"] > 0
    assert [row["generator_epochs"] for row in rows] == [0, 1]


def test_differences_are_paired_by_run():
    rows = [("a", 0, 0.5), ("a", 1, 0.7), ("b", 0, 0.6), ("b", 1, 0.6), ("b", 2, 0.9)]
    runs = pd.DataFrame(rows, columns=["method", "seed", "balanced_acsa"]).assign(fold=0)
    table = paired(runs, "a").loc["b"]
    assert (table["n"], table["better"]) == (2, 1)
    assert table["difference"] == pytest.approx(0)
    assert table["sd"] == pytest.approx(np.sqrt(200))
    assert paired(runs, "c").empty


def test_invalid_arguments_are_rejected():
    with pytest.raises(InputError, match="method 'deepsmot'; did you mean 'deepsmote'"):
        image_method("deepsmot")
    for change, message in (
        ({"stem": "resnet"}, "stem='resnet', expected 'cifar' or 'imagenet'"),
        ({"generator_epochs": 0}, "generator_epochs=0, expected at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            dataclasses.replace(PROTOCOL, **change)


def test_keys_differ_between_methods(results):
    it, data = lab.ImageLab(PROTOCOL, out=results), toy()
    methods = [image_method(name) for name in names("images")]
    keys = {it.cell(data, method).key for method in methods}
    assert len(keys) == len(methods) >= 15
    with_generator = [method for method in methods if method.images.generator]
    generators = {method.name: it._generator_key(data, method) for method in with_generator}
    trained_once = ("deepsmote", "deepsmote_decoded", "latent_explicit_gradient")
    trained_once += ("latent_explicit_gradient_frozen",)
    assert len({generators[name] for name in trained_once}) == 1
    assert len(set(generators.values())) == len(generators) - 3


@pytest.mark.parametrize("name", names("images"))
def test_key_depends_on_the_code_of_a_method(results, monkeypatch, name):
    hashed = {}

    def key_of(content, *code):
        hashed.update(definitions_of(*code)[0])
        return "key"

    method = image_method(name)
    monkeypatch.setattr(lab, "key_of", key_of)
    lab.ImageLab(PROTOCOL, out=results).cell(toy(), method)
    for function in ("images/plan.py:image_plan", "images/cells.py:train_images"):
        assert f"experiments/{function}" in hashed
    assert {"methods/image_classifier.py:epoch", "data/imbalance.py:image_splits"} <= hashed.keys()
    for function in pieces(method.images):
        file = function.__module__.removeprefix("imbax.").replace(".", "/")
        assert f"{file}.py:{function.__name__}" in hashed
    if method.images.generator:
        assert "experiments/images/cells.py:train_generator" in hashed
    if name.startswith(("deepsmote", "latent")):
        assert {"methods/deepsmote.py:step", "networks/autoencoder.py:encoder"} <= hashed.keys()
    assert not [name for name in hashed if "METRICS" in name or "geometric_mean" in name]
    assert not [name for name in hashed if name.startswith("catalogue/images.py")]


def pieces(images):
    """Functions of a method, and functions among their arguments."""
    waiting = [images.resample, images.generator, images.retrain]
    while waiting:
        function = waiting.pop()
        if isinstance(function, functools.partial):
            waiting += [function.func, *function.args]
        elif callable(function):
            yield function


def test_key_does_not_depend_on_descriptions(results):
    it, data, method = lab.ImageLab(PROTOCOL, out=results), toy(), image_method("smote")
    images = dataclasses.replace(method.images, note="a note", cost=9.0, sees="images")
    changed = dataclasses.replace(method, title="A title", images=images)
    assert it.cell(data, changed).key == it.cell(data, method).key
    images = dataclasses.replace(method.images, weighted=True)
    changed = dataclasses.replace(method, images=images)
    assert it.cell(data, changed).key != it.cell(data, method).key


SCORES = [f"{test}_{metric}" for test in TESTS for metric in METRICS]


def test_outdated_metrics_are_computed_without_training(results, tmp_path, monkeypatch):
    shutil.copytree(results / "runs", tmp_path / "runs")
    shutil.copytree(results / "states", tmp_path / "states")
    before, abouts = stored(tmp_path), store.read_provenance([tmp_path])
    it = lab.ImageLab(PROTOCOL, out=tmp_path, suite="toy")
    cells_of = [it.cell(toy(), image_method(name)) for name in NAMES]
    for cell, seed in ((cells_of[0], 0), (cells_of[4], 1)):
        rows, about = store.load(tmp_path, *cell.place, seed, SCHEMA)
        rows = [row | dict.fromkeys(SCORES, 0.125) for row in rows]
        store.write(tmp_path, rows, about | {"metrics_key": "0" * 16}, SCHEMA)
    assert (stored(tmp_path)[SCORES] == 0.125).all(axis=1).sum() == 4
    assert [it.outdated(cell, range(2)) for cell in cells_of] == [[0], [], [], [], [1], []]

    without(monkeypatch, "train_images", "train_generator")
    run(tmp_path)
    pd.testing.assert_frame_equal(stored(tmp_path), before, check_exact=True)
    assert store.read_provenance([tmp_path]) == abouts
    assert [it.outdated(cell, range(2)) for cell in cells_of] == [[]] * 6


def test_metrics_of_diverged_runs_are_nan(results):
    row = stored(results).iloc[0].to_dict()
    (again,) = rescored([row | dict.fromkeys(SCORES, 0.125) | {"diverged": True}])
    assert np.isnan([again[name] for name in SCORES]).all()
    (again,) = rescored([row | dict.fromkeys(SCORES, 0.125)])
    assert {name: again[name] for name in SCORES} == {name: row[name] for name in SCORES}


PLUGIN = """
import imbax
import numpy as np
from imbax.methods import duplicate


def copies(key, train, wanted, sizes):
    return duplicate.sample(key, train, wanted, sizes)


imbax.register("copies", sampler=copies, title="Copies again")
"""


def test_samplers_of_plugins_run_on_images(results, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    runpy.run_path(str(plugin))
    run(tmp_path / "out", ("copies",))
    expected = stored(results).query("method == 'ros'").drop(columns="method")
    rows = stored(tmp_path / "out").drop(columns="method")
    pd.testing.assert_frame_equal(rows, expected.reset_index(drop=True))
    about = store.read_provenance([tmp_path / "out"])[0]
    assert (about["suite"], about["dataset"], about["network"]) == ("toy", "toy", "resnet")
    assert about["method_facts"]["title"] == "Copies again"
    text = write_image_report([tmp_path / "out"], tmp_path).read_text()
    assert "| copies |" in text
