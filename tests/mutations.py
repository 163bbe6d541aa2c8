"""Mutation testing: does the first tier of tests detect ten mistakes in the core?

    python tests/mutations.py [NAME ...]

Each mistake is made in a copy of the repository. The tests listed for it must fail there and pass
in a copy without it. The exit status is 1 if a mistake was not detected.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Mutation(NamedTuple):
    """Mistake, its place, and the tests that must detect it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


MUTATIONS = (
    Mutation(
        "outer_gradient_sign",
        "imbax/bilevel/hypergradient.py",
        "meta_grad = descend(meta_grad, by_meta, step_size)",
        "meta_grad = descend(meta_grad, by_meta, -step_size)",
        "tests/bilevel/test_gradients.py",
    ),
    Mutation(
        "weight_of_padding",
        "imbax/losses/per_example.py",
        "    return jnp.where(w > 0, w * losses, 0).sum() / jnp.where(total > 0, total, 1)",
        "    return losses.sum() / jnp.where(total > 0, total, 1)",
        "tests/losses/test_per_example.py",
    ),
    Mutation(
        "neighbor_off_by_one",
        "imbax/neighbors.py",
        "jnp.where(index == excluded[:, None], jnp.inf, score)",
        "jnp.where(index == excluded[:, None] + 1, jnp.inf, score)",
        "tests/test_neighbors.py",
    ),
    Mutation(
        "ties_of_a_metric",
        "imbax/metrics/ranking.py",
        "above + 0.5 * tied",
        "above + tied",
        "tests/metrics/test_ranking.py",
    ),
    Mutation(
        "key_reused_over_folds",
        "imbax/experiments/lab.py",
        "jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), fold)",
        "jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), 0)",
        "tests/experiments/tabular/test_plan.py",
    ),
    Mutation(
        "column_scaled_by_another",
        "imbax/data/preprocess.py",
        "scaled = (x - scaling.shift) * scaling.factor",
        "scaled = (x - scaling.shift) * np.roll(scaling.factor, 1)",
        "tests/data/test_preprocess.py",
    ),
    Mutation(
        "checkpoint_taken_late",
        "imbax/training.py",
        "better = score > progress.best_score",
        "better = score >= progress.best_score",
        "tests/test_training.py",
    ),
    Mutation(
        "test_fold_in_training",
        "imbax/data/splits.py",
        "[Split(rest[train], valid, rest[test]) for train, test in parts]",
        "[Split(rest, valid, rest[test]) for train, test in parts]",
        "tests/data/test_splits.py",
    ),
    Mutation(
        "resume_without_the_seed",
        "imbax/experiments/store.py",
        'f"{key}-seed{seed}.parquet")',
        'f"{key}-seed0.parquet")',
        "tests/experiments/test_store.py",
    ),
    Mutation(
        "class_order_swapped",
        "imbax/estimators/classifier.py",
        "inner[:, self._inside]",
        "inner",
        "tests/estimators/test_classifiers.py",
    ),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = {mutation.name: mutation for mutation in MUTATIONS}
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    chosen = parser.parse_args().names or list(known)
    unseen = [name for name in chosen if not is_seen(known[name])]
    print(f"{len(chosen) - len(unseen)} of {len(chosen)} mistakes seen")
    return 1 if unseen else 0


def is_seen(mutation):
    """Returns whether the tests pass without the mistake and fail with it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "imbax"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "results")
        shutil.copytree(ROOT, copy, ignore=ignored)
        before = tests_fail(copy, mutation.tests)
        path = copy / mutation.file
        path.write_text(mutated(path.read_text(), mutation))
        after = tests_fail(copy, mutation.tests)
    seen = after and not before
    verdict = "seen" if seen else "NOT SEEN" if not before else "tests fail without it"
    print(f"{mutation.name}: {verdict} ({mutation.tests})", flush=True)
    return seen


def mutated(text, mutation):
    if text.count(mutation.right) != 1:
        raise SystemExit(f"{mutation.name}: {mutation.file} must hold once: {mutation.right}")
    return text.replace(mutation.right, mutation.wrong)


def tests_fail(folder, tests):
    """Returns whether a test of the first tier fails; exits if the tests cannot run."""
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-p", "no:cacheprovider", tests]
    space = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=space, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tests} did not run:\n{done.stdout}{done.stderr}")
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main())
