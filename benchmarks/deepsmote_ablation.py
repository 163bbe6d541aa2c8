"""Ablation of DeepSMOTE on the digits suite: every variant against random over-sampling.

    python benchmarks/deepsmote_ablation.py --out DIR

A variant changes one choice of `deepsmote`, or also drops the penalty and trains for longer
(`none_200`). Results are stored run by run in DIR, and the same
command continues an interrupted one. The tables are the paired differences from `ros`, with the
corrected resampled t test and Holm's correction over all variants, and the share of the variance
that reconstructions keep, for the largest and for the three smallest classes.

`--recipe strong` crops the images of all methods, and is stored in a folder of its own.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

import imbax
from imbax.catalogue.adapters import generate_images
from imbax.experiments import store
from imbax.experiments.images.schema import SCHEMA
from imbax.losses.per_example import weighted_mean
from imbax.methods import deepsmote as ds
from imbax.methods.codes import Fitted, decoded, encoded, image_batch, recalibrated
from imbax.methods.generator import Generator
from imbax.methods.sampling import extended
from imbax.methods.smote import smote
from imbax.minibatches import each_batch, shuffled_minibatches
from imbax.types import rows

REGISTERED = (
    "ros",
    "deepsmote",
    "deepsmote_none",
    "deepsmote_permuted",
    "deepsmote_encoder",
    "deepsmote_inverse",
    "deepsmote_decoded",
)
"""Control, default, and variants of the catalogue: penalties and decoded real images."""


def config_of(facts, **options) -> ds.Config:
    """Configuration of DeepSMOTE with the protocol's sizes."""
    names = ("shape", "classes", "latent", "decoder", "epochs", "patience")
    return ds.Config(**{name: getattr(facts, name) for name in names} | options)


def trained(facts, **options) -> Generator:
    """DeepSMOTE with other options of training."""
    return ds.generator(config_of(facts, **options), ds.Hparams(facts.learning_rate))


def with_neighbors(facts, k_neighbors) -> Generator:
    """DeepSMOTE with another number of neighbours."""
    config = config_of(facts)
    sample = partial(ds.sample, config=config, k_neighbors=k_neighbors)
    return trained(facts)._replace(sample=sample)


def near_base(facts, exponent) -> Generator:
    """DeepSMOTE with the gap u to this power; infinity decodes the code of the base image."""
    config = config_of(facts)
    nets = ds.networks(config)

    def sample(key, fitted, train, wanted, sizes):
        images = image_batch(*train.all(), config.shape)
        with jax.default_matmul_precision("float32"):
            codes = encoded(nets, fitted, images.x, config.batch_size)
            made = smote(key, rows(codes, images.y, images.w), wanted, sizes)
            start, end = (codes[parent] for parent in made.parents.T)
            z = start + (made.gap**exponent)[:, None] * (end - start)
            x = decoded(nets, fitted, z, config.batch_size).reshape(sizes.max_synth, -1)
        return extended(train, made._replace(x=x))

    return trained(facts)._replace(sample=sample)


class Supervised(NamedTuple):
    """State of an autoencoder whose codes also predict the class."""

    now: Fitted
    head: dict[str, jax.Array]
    opt_state: Any
    epoch: jax.Array


def supervised(facts, weight) -> Generator:
    """DeepSMOTE with `weight` times the cross-entropy of a linear classifier of the codes.

    There is no penalty on images of one class, and training does not stop early.
    """
    config = config_of(facts, penalty="none", patience=facts.epochs)
    nets, adam = ds.networks(config), optax.adam(facts.learning_rate)

    def init(key, train):
        now = ds.init(key, config, ds.Hparams()).now
        head = {"w": jnp.zeros((config.latent, config.classes)), "b": jnp.zeros(config.classes)}
        return Supervised(now, head, adam.init((now.params, head)), jnp.int32(0))

    def step(state, number, drawn, train):
        x, y, w = image_batch(train.features(drawn.row), drawn.y, drawn.w, config.shape)
        before = state.now.stats

        def objective(learned):
            (encoder, decoder), head = learned
            z, encoder_stats = nets.encoder.apply(encoder, before[0], x, w)
            again, decoder_stats = nets.decoder.apply(decoder, before[1], z, w)
            losses = optax.softmax_cross_entropy_with_integer_labels(z @ head["w"] + head["b"], y)
            losses = weight * losses + ((again - x) ** 2).mean((1, 2, 3))
            return weighted_mean(losses, w), (encoder_stats, decoder_stats)

        learned = state.now.params, state.head
        (loss, stats), gradient = jax.value_and_grad(objective, has_aux=True)(learned)
        updates, opt_state = adam.update(gradient, state.opt_state)
        params, head = optax.apply_updates(learned, updates)
        state = state._replace(now=Fitted(params, stats), head=head, opt_state=opt_state)
        return state, loss

    def epoch(key, state, train):
        batches = shuffled_minibatches(
            jax.random.fold_in(key, state.epoch), train, config.batch_size
        )
        state, loss = each_batch(partial(step, train=train), state, batches)
        return state._replace(epoch=state.epoch + 1), loss

    def finish(state, train):
        stats = recalibrated(nets, state.now, train, config.shape, config.batch_size)
        return state.now._replace(stats=stats)

    return trained(facts)._replace(
        init=init, epoch=epoch, finish=finish, sample=partial(ds.sample, config=config)
    )


TRAINED = {
    **{f"latent_{n}": partial(trained, latent=n) for n in (16, 32, 128, 300)},
    **{f"epochs_{n}": partial(trained, epochs=n, patience=n) for n in (10, 80, 200)},
    "running_statistics": partial(trained, recalibrate=False),
    "reference_decoder": partial(trained, decoder="reference"),
    **{f"none_{n}": partial(trained, penalty="none", epochs=n, patience=n) for n in (200, 400)},
    "none_200_latent_128": partial(trained, penalty="none", epochs=200, patience=200, latent=128),
    **{f"supervised_{weight}": partial(supervised, weight=weight) for weight in (0.01, 0.1, 1.0)},
}
"""Variants with their own training."""
SAMPLED = {
    **{f"neighbors_{k}": partial(with_neighbors, k_neighbors=k) for k in (1, 3, 15)},
    **{f"gap_power_{p}": partial(near_base, exponent=p) for p in (2, 4)},
    "gap_0": partial(near_base, exponent=float("inf")),
}
"""Variants of sampling, which share the autoencoder of `deepsmote`."""


def register(epochs: int | None) -> list[str]:
    """Registers all variants; returns the names of all methods."""
    for name, generator in TRAINED.items():
        if epochs is not None:
            generator = partial(shortened, generator, epochs=epochs)
        imbax.register(name, generator=generator)
    for name, generator in SAMPLED.items():
        images = imbax.OnImages(generate_images, generator, trained_as="deepsmote")
        imbax.register(name, images=images)
    return [*REGISTERED, *TRAINED, *SAMPLED]


def shortened(generator, facts, epochs):
    """Generator with fewer epochs, for tests."""
    return generator(facts)._replace(epochs=epochs)


def variance_kept(out: Path) -> pd.DataFrame:
    """Variance of reconstructions relative to images, means over runs, and epochs of training."""
    runs = store.read([out], SCHEMA, arrays=True)
    runs = runs[runs["variance_kept"].map(len) > 0]
    kept = np.stack(runs["variance_kept"].to_list())
    table = runs[["method", "generator_epochs"]].assign(
        largest=kept[:, 0], three_smallest=kept[:, -3:].mean(1)
    )
    return table.groupby("method", sort=False).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--recipe", choices=("plain", "strong"), default="plain")
    parser.add_argument("--epochs", type=int, help="of all networks, for a trial")
    parser.add_argument("--methods", nargs="+", help="default: all variants")
    parser.add_argument("--out", type=Path, default=Path("results/deepsmote_ablation"))
    options = parser.parse_args()
    imbax.use_cpu_cores()
    names = register(options.epochs)
    out = options.out / options.recipe
    settings = {"seeds": options.seeds, "epochs": options.epochs, "out": out}
    settings |= {"recipe": "strong"} if options.recipe == "strong" else {}
    results = imbax.run("digits", methods=options.methods or names, **settings)
    with pd.option_context("display.width", 160, "display.max_columns", 20):
        columns = ["n", "mean_difference", "low", "high", "p_value", "p_holm"]
        table = results.compare("ros")[columns].sort_values("mean_difference", ascending=False)
        print(table.round(4).to_string())
        print(variance_kept(out).round(3).to_string())
    table.to_csv(out / "against_ros.csv")


if __name__ == "__main__":
    main()
