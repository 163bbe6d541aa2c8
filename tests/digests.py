"""Digests of numerical results, to compare two versions of the library bit by bit.

    python tests/digests.py --out FILE.json [--only PATTERN] [--parts PART ...]
    python tests/digests.py --against FILE.json [--only PATTERN] [--parts PART ...]

A digest is a sha256 of dtypes, shapes and raw bytes. Entries are added to FILE.json after each
item. PATTERN is a regular expression, searched for in the names of items. Exit status 1: a digest
differs or is missing. Digests are comparable on one machine with one version of jax and XLA.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "NPROC": "1", "JAX_PLATFORMS": "cpu"}
os.environ.pop(
    "JAX_DISABLE_MOST_OPTIMIZATIONS", None
)  # compile as for users, since the compiler options change bits

import argparse
import dataclasses
import functools
import hashlib
import importlib
import json
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import imbax


def find(*candidates):
    """Returns the first "module:attribute" or "module" of imbax that exists.

    Names have spaces instead of dots, so that tools that rename modules do not change old layouts.
    """
    for candidate in candidates:
        path, _, attribute = candidate.partition(":")
        module = ".".join(["imbax", *path.split()])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not f"{module}.".startswith(f"{error.name}."):
                raise
            continue
        if not attribute or hasattr(found, attribute):
            return getattr(found, attribute) if attribute else found
    raise LookupError(f"none of {', '.join(candidates)}")


# --- Code that depends on the package layout ------------------------------------------------------
HOMES = {
    "Engine": ("engine vectorize", "experiments cells"),
    "get": ("catalogue", "methods"),
    "names": ("catalogue", "methods"),
    "train_cell": ("experiments tabular cells", "experiments cells"),
    "host_cell": ("experiments tabular cells", "experiments cells"),
    "plan": ("experiments tabular plan", "experiments plan"),
    "Protocol": ("experiments tabular plan", "experiments plan"),
    "make_dataset": ("data tabular",),
    "Images": ("data images",),
    "Counts": ("data images", "data imbalance"),
    "ImageProtocol": ("experiments images plan",),
    "image_plan": ("experiments images plan",),
    "train_generator": ("experiments images cells",),
    "train_images": ("experiments images cells",),
    "IMAGE_METHODS": ("catalogue images", "methods image_methods"),
    "run": ("experiments sine problem", "experiments sine"),
    "Config": ("experiments sine problem", "experiments sine"),
}
SCHEMAS = {
    "tables": ("experiments tabular schema:SCHEMA", "experiments store:SCHEMA"),
    "images": ("experiments images schema:SCHEMA", "experiments images records:SCHEMA"),
}


def at_home(name):
    return find(*(f"{home}:{name}" for home in HOMES[name]))


def engine():
    return at_home("Engine")("map", (jax.devices()[0],))


def registry():
    """Returns `get` and `names` with all methods registered."""
    find("experiments tabular ablation", "experiments ablation")
    find("experiments tabular baselines", "experiments peers")
    return at_home("get"), at_home("names")


def card(name):
    """Card of a method on tables; None for methods on images only."""
    found = registry()[0](name)
    return getattr(found, "tables", found)


def table_names():
    return [name for name in registry()[1]() if card(name) is not None]


def is_neural(name):
    return bool(getattr(card(name), "build", None) or getattr(card(name), "program", None))


def takes_several_classes(name):
    owner = card(name)
    owner = owner if hasattr(owner, "several_classes") else registry()[0](name)
    return owner.several_classes


def needs_withheld(name):
    return getattr(card(name), "needs_withheld", False)


def train(name, cell, start):
    """Trains a cell, in jax or outside."""
    method = registry()[0](name)
    if is_neural(name):
        return at_home("train_cell")(cell, method, start=start, engine=engine())
    return at_home("host_cell")(cell, method)


def image_methods():
    """Methods by name, as `train_images` takes them."""
    try:
        return dict(at_home("IMAGE_METHODS"))
    except LookupError:
        get, names = registry()
        return {name: get(name).images for name in names("images")}


def generator_of(method):
    """Builder of a method's generator, or None."""
    return getattr(method, "build", None) or getattr(method, "generator", None)


# --- Digests --------------------------------------------------------------------------------------
def hashes(tree):
    return [leaf_hash(leaf) for leaf in jax.tree.leaves(tree)]


def leaf_hash(leaf):
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    text = f"{array.dtype}{array.shape}"
    data = repr(array.tolist()).encode() if array.dtype.kind in "OUS" else array.tobytes()
    return hashlib.sha256(text.encode() + data).hexdigest()


def joined(parts):
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def frame_parts(frame):
    columns = {name: frame[name].to_numpy() for name in sorted(frame.columns)}
    return {"values": columns, "columns": [(name, str(frame[name].dtype)) for name in frame]}


def entries(name, outcome):
    """Digests of each part of an outcome and of all parts together."""
    parts = {}
    for part, tree in outcome.items():
        found = hashes(tree)
        # The order of a state's leaves may change.
        parts[f"{name}/{part}"] = joined(sorted(found) if part == "state" else found)
    return {name: joined(parts[key] for key in sorted(parts)), **parts}


# --- Tables ---------------------------------------------------------------------------------------
SEVERAL = (
    *("ce", "rs", "ros", "smote", "focal", "ldam_drw", "logit_adjustment", "meta_weight_net"),
    *("explicit_gradient", "amdo", "mc_ccr", "mc_rbo", "gamo", "logistic_regression"),
)


def clouds(*counts, columns=4, seed=0):
    """Overlapping Gaussian classes 0, 1, ..., shuffled: `x [n, columns]`, `y [n]`."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    centres = 1.2 * np.eye(len(counts), columns)
    return (rng.normal(size=(len(y), columns)) + centres[y]).astype(np.float32), y


@functools.cache
def cut(kind):
    plan, protocol, make_dataset = map(at_home, ("plan", "Protocol", "make_dataset"))
    if kind == "several":
        data = make_dataset(*clouds(80, 36, 24), name="toy", several_classes=True)
        return plan(data, [0], protocol(folds=2, epochs=6))
    data = make_dataset(*clouds(80, 30), name="toy")
    if kind == "withheld":
        data = dataclasses.replace(data, keep=15)
        return plan(data, [0, 1], protocol(folds=2, epochs=20, scheme="repeats"))
    return plan(data, [0, 1], protocol(folds=2, epochs=20))


@functools.cache
def trained(name, kind):
    cell, start = cut(kind), getattr(card(name), "starts_from", None)
    if name in ("cwgan", "gamo"):  # their training takes many times as long as a classifier's
        cell = cell._replace(facts=cell.facts._replace(epochs=4))
    elif name == "mesa":  # slow, outside jax: only one run
        cell = cell._replace(splits=cell.splits[:1], seed=cell.seed[:1])
    return train(name, cell, start and trained(start, kind).progress)


def cell_parts(name, kind):
    result = trained(name, kind)
    values = {"test_score": result.test_score, "fallback": result.fallback}
    if (progress := result.progress) is None:
        return values
    best, whole = progress.best, ("best_score", "best_epoch", "epoch", "diverged", "state")
    values |= {"params": best.params, "points": best.points, "curves": result.curves}
    return values | {part: getattr(progress, part) for part in whole}


def tables():
    for name in table_names():
        kind = "withheld" if needs_withheld(name) else "two"
        yield f"tables/{name}", functools.partial(cell_parts, name, kind)
    for name in SEVERAL:
        if takes_several_classes(name):
            yield f"tables_of_3/{name}", functools.partial(cell_parts, name, "several")


# --- Images ---------------------------------------------------------------------------------------
@functools.cache
def image_cut():
    rng, y = np.random.default_rng(0), np.arange(120) % 3
    x = np.clip(rng.normal(60 + 60 * y[:, None], 40, (120, 64)), 0, 255).astype(np.uint8)
    wanted = at_home("Counts")((12, 6, 3), 4, (4, 2, 1))
    data = at_home("Images")("toy", x.reshape(-1, 8, 8, 1), y, ("a", "b", "c"), counts=wanted)
    short = {"epochs": 2, "generator_epochs": 2, "generator_learning_rate": 0.01, "folds": 2}
    protocol = at_home("ImageProtocol")(width=4, batch_size=8, latent=6, **short)
    return at_home("image_plan")(data, [0], protocol)


@functools.cache
def generated(builder):
    """Trains the generator of a builder once for all methods that share it."""
    method = next(m for m in image_methods().values() if generator_of(m) == builder)
    return at_home("train_generator")(image_cut(), method, engine=engine())


def image_parts(name):
    method, generator, values = image_methods()[name], None, {}
    if builder := generator_of(method):
        generator = generated(builder)
        values = {f"generator_{part}": getattr(generator, part) for part in ("loss", "looks")}
        values["fitted"] = generator.fitted
    fitted = generator and generator.fitted
    result = at_home("train_images")(image_cut(), method, fitted, engine=engine())
    return values | {part: getattr(result, part) for part in ("predicted", "loss", "looks")}


def images():
    for name in image_methods():
        yield f"images/{name}", functools.partial(image_parts, name)


# --- Samplers -------------------------------------------------------------------------------------
TRAINED = {"max_iter": 1, "latent_dim": 4, "batch_size": 32}
SAMPLERS = {
    **{name: {} for name in ("SMOTE", "BorderlineSMOTE", "ADASYN", "SUGAR", "AMDO", "MCCCR")},
    "MCRBO": {"max_iter": 20},
    "CWGAN": {"max_iter": 20, "batch_size": 8, "learning_rate_init": 1e-2},
    "GAMO": {"max_iter": 1, "noise_dim": 4},
    "DeepSMOTE": TRAINED,
    "BAGAN": {**TRAINED, "autoencoder_max_iter": 1, "width": 2, "learning_rate_init": 3e-2},
    "ExplicitGradientOverSampler": {},
}
TOLD = ("parent_indices_", "interpolation_weights_", "is_synthetic_", "moved_", "loss_curve_")
LITTLE = {"hidden_layer_sizes": (16,), "learning_rate_init": 1e-2, "max_iter": 10}


def digits():
    """8 x 8 images of three classes."""
    x, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in enumerate((40, 12, 4))])
    return x[rows].reshape(-1, 8, 8).astype(np.uint8), np.array(["a", "b", "c"])[y[rows]]


def mixed():
    """Frame with numbers and categories."""
    x, y = clouds(48, 12)
    words = np.random.default_rng(1).choice(["red", "green", "blue"], (60, 2))
    frame = pd.DataFrame({"a": x[:, 0], "word": words[:, 0], "b": x[:, 1], "other": words[:, 1]})
    return frame, y


def resampled(name, data, **options):
    if name == "ExplicitGradientOverSampler":
        options["classifier"] = imbax.ExplicitGradientClassifier(**LITTLE, random_state=0)
    sampler = getattr(imbax, name)(**SAMPLERS[name], **options, random_state=0)
    x, y = sampler.fit_resample(*data())
    x = frame_parts(x) if isinstance(x, pd.DataFrame) else x
    values = {part: getattr(sampler, part) for part in TOLD if hasattr(sampler, part)}
    return {"X": x, "y": y} | values


def samplers():
    two, three = functools.partial(clouds, 40, 12), functools.partial(clouds, 40, 12, 7)
    for name in SAMPLERS:
        sets = {"table2": two, "table3": three, "images": digits}
        if name == "BAGAN":
            sets = {"images": digits}
        elif name == "ExplicitGradientOverSampler":
            del sets["images"]
        for where, data in sets.items():
            yield f"fit_resample/{name}/{where}", functools.partial(resampled, name, data)
        if name in ("SMOTE", "BorderlineSMOTE", "ADASYN"):
            options = {"categorical_features": ["word", "other"]}
            run = functools.partial(resampled, name, mixed, **options)
            yield f"fit_resample/{name}/categories", run


# --- Classifiers ----------------------------------------------------------------------------------
LOSSES = (
    *("ce", "focal", "asymmetric", "class_balanced"),
    *("logit_adjustment", "vs_loss", "ldam", "ldam_drw"),
)
RULES = ("rs", "ros", "smote", "borderline_smote", "adasyn", "random_under")


def classified(name, classes, **options):
    x, y = clouds(*(80, 30, 20)[:classes])
    fitted = getattr(imbax, name)(**options, random_state=0).fit(x, y)
    return {"proba": fitted.predict_proba(x), "curve": getattr(fitted, "loss_curve_", None)}


def classifiers():
    mlp = "ImbalancedMLPClassifier"
    plain = {"network": "mlp"}
    wanted = [(mlp, f"loss_{loss}", plain | {"loss": loss}) for loss in LOSSES]
    wanted += [(mlp, f"sampler_{rule}", plain | {"sampler": rule}) for rule in RULES]
    wanted += [(mlp, "members", plain | {"n_estimators": 2})]
    wanted += [(f"{name}Classifier", "plain", {}) for name in ("ExplicitGradient", "MetaWeightNet")]
    for name, part, options in wanted:
        for classes in (2, 3):
            options = LITTLE | options | {"early_stopping": True}
            run = functools.partial(classified, name, classes, **options)
            yield f"classifiers/{name}/{part}/{classes}", run
    short = {"n_estimators": 3, "random_steps": 2, "learned_steps": 2}
    yield "classifiers/MESA/plain/2", functools.partial(classified, "MESAClassifier", 2, **short)


# --- Flows ----------------------------------------------------------------------------------------
def evaluated():
    names = ["ce", "rs", "focal", "explicit_gradient", "logistic_regression"]
    return frame_parts(imbax.evaluate(*clouds(80, 30), names, seeds=2, folds=2, epochs=10))


def searched(**options):
    space = {"learning_rate": [1e-3, 1e-2, 3e-2]}
    small = {"seeds": 1, "folds": 2, "epochs": 4}
    return frame_parts(imbax.search("ce", *clouds(80, 30), space, **small, **options))


def sine(seed):
    short = at_home("Config")(epochs=4, steps=6, records=2)
    return jax.jit(at_home("run"), static_argnums=1)(jax.random.key(seed), short)._asdict()


def schema(kind):
    return {"text": str(find(*SCHEMAS[kind]))}


def flows():
    yield "flows/evaluate", evaluated
    yield "flows/search", searched
    yield "flows/search_halving", functools.partial(searched, halving=2)
    for seed in (0, 1):
        yield f"flows/sine/{seed}", functools.partial(sine, seed)
    for kind in SCHEMAS:
        yield f"flows/schema_of_{kind}", functools.partial(schema, kind)


# --- The command ----------------------------------------------------------------------------------
PARTS = {part.__name__: part for part in (tables, images, samplers, classifiers, flows)}
PREFIXES = {"tables": ("tables/", "tables_of_3/"), "samplers": ("fit_resample/",)}


def computed(parts, only):
    """Yields `{name: digest}` for one item after another."""
    for part in parts:
        before = time.perf_counter()
        try:
            items = [item for item in PARTS[part]() if re.search(only, item[0])]
        except Exception as error:
            items = []
            yield (found := error_digest(part, error))
            print(found)
        for name, run in items:
            started = time.perf_counter()
            try:
                found = entries(name, run())
            except Exception as error:
                found = error_digest(name, error)
            note = found[name] if found[name].startswith("error") else ""
            print(f"{time.perf_counter() - started:6.1f} s  {name}  {note}", flush=True)
            few_memory_maps()
            yield found
        print(f"{time.perf_counter() - before:6.1f} s  {part}, {len(items)} items", flush=True)


def error_digest(name, error):
    return {name: f"error: {type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def few_memory_maps():
    """Clears caches, since compiled programs use up the 65,530 memory maps of a process."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 40_000:
        jax.clear_caches()


def compared(computed_digests, before, parts, only):
    """Prints differences from earlier digests; returns the number of relevant ones."""
    prefixes = tuple(p for part in parts for p in PREFIXES.get(part, (f"{part}/",)))
    wanted = {n for n in before if n.startswith(prefixes) and re.search(only, n)}
    wanted |= {n for n in before if any(n.startswith(f"{item}/") for item in computed_digests)}
    kinds = {name: "missing" for name in wanted - set(computed_digests)}
    for name, digest in computed_digests.items():
        if digest.startswith("error"):
            kinds[name] = digest
        elif digest != before.get(name):
            kinds[name] = "differs" if name in before else "added"
    for name, kind in sorted(kinds.items()):
        print(f"{name}: {kind}")
    bad = sum(kind != "added" for kind in kinds.values())
    print(f"{len(computed_digests)} entries computed, {bad} differ or are missing")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="add digests to this file")
    parser.add_argument("--against", type=Path, help="compare with this file")
    parser.add_argument("--only", default="", help="regular expression for names of items")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir(), "imbax-digests")))
    args = parser.parse_args()
    if not (args.out or args.against):
        parser.error("give --out or --against")
    jax.config.update("jax_compilation_cache_dir", args.cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    warnings.simplefilter("ignore")
    print(f"imbax at {imbax.__path__[0]}, jax {jax.__version__}", flush=True)
    all_, kept = {}, {}
    if args.out and args.out.exists():
        kept = json.loads(args.out.read_text())
    for found in computed(args.parts, args.only):
        all_ |= found
        kept = {name: kept[name] for name in kept if not name.startswith(f"{min(found)}/")}
        if args.out:
            args.out.write_text(json.dumps(kept | all_, indent=0, sort_keys=True))
    if args.against:
        before = json.loads(args.against.read_text())
        sys.exit(bool(compared(all_, before, args.parts, args.only)))


if __name__ == "__main__":
    main()
