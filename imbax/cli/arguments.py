"""Argument parser of the command line, without heavy imports so that help is fast."""

import argparse
from pathlib import Path

from imbax import __version__
from imbax.cli.completion import PrintCompletion
from imbax.cli.verbosity import add_verbosity
from imbax.errors import InputError

__all__ = ["parser"]


class _OnlyInPython(argparse.Action):
    """Refuses the counterpart of a parameter that takes an object."""

    def __call__(self, parser, namespace, values, option=None):
        raise InputError(
            f"{option} accepts only Python objects of scikit-learn: call "
            "imbax.evaluate(preprocess=...) in Python, or register a pipeline as a method with "
            "imbax.register(NAME, estimator=make_pipeline(TRANSFORMER, CLASSIFIER)) in a file for "
            "--plugin"
        )


def parser() -> argparse.ArgumentParser:
    """Returns the parser; the name of the parsed command is stored as `command`."""
    top = argparse.ArgumentParser(
        prog="imbax", description="Class imbalance with neural networks: run, compare, report."
    )
    top.add_argument("--version", action="version", version=f"imbax {__version__}")
    top.add_argument("--print-completion", action=PrintCompletion)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a suite and write its report")
    run.add_argument(
        "suite",
        nargs="?",
        default="quickstart",
        help="default quickstart; one of `imbax list suites`, or your own FILE.toml",
    )
    run.add_argument("--datasets", nargs="+", metavar="NAME", help="run only these data sets")
    run.add_argument("--methods", nargs="+", metavar="NAME",
                     help="methods to run, also groups: `paper`, those of its Tables 2 and 3; "
                          "`readings`, variants that a paper leaves open; `all`, every other "
                          "applicable one")  # fmt: skip
    run.add_argument("--network", nargs="+", metavar="NAME",
                     help="networks to train, one or several; default mlp, see `imbax list "
                          "networks`")  # fmt: skip
    run.add_argument("--n-estimators", nargs="+", type=int, metavar="N",
                     help="networks whose probabilities are averaged, one or several numbers; "
                          "default 1")  # fmt: skip
    run.add_argument("--fold-ensemble", nargs="*", type=int, metavar="FOLDS",
                     help="validate each of these networks on one fold of the training and "
                          "validation rows and train it on the others; as many folds as networks, "
                          "or FOLDS")  # fmt: skip
    run.add_argument(
        "--checkpoint",
        choices=("average_precision", "loss", "last"),
        help="epoch to keep: the best by average precision or by loss on validation rows, or the "
        "last; default average_precision",
    )
    run.add_argument(
        "--seeds", type=int, metavar="N", help="number of seeds, each with its own splits"
    )
    run.add_argument("--folds", type=int, metavar="N", help="number of folds per seed")
    run.add_argument("--epochs", type=int, metavar="N", help="number of epochs of each training")
    run.add_argument("--n-synth", choices=("double", "balance"),
                     help="number of synthetic rows, default double")  # fmt: skip
    run.add_argument("--scaling", choices=("min_max", "z_score"), help="scaling of the features")
    run.add_argument("--components", type=int, metavar="K", help="number of principal components")
    run.add_argument("--preprocess", nargs="?", action=_OnlyInPython, help=argparse.SUPPRESS)
    run.add_argument("--fit-on", choices=("train", "all"), help="rows that scaling is fitted on")
    run.add_argument("--out", type=Path, metavar="DIR", help="default: results/SUITE")
    run.add_argument("--data-home", type=Path, metavar="DIR", help="folder of downloaded data sets")
    run.add_argument("--memory", type=float, metavar="GB",
                     help="memory budget; default 4, on an accelerator all of its memory"
                    )  # fmt: skip
    run.add_argument("--strategy", choices=("auto", "map", "vmap", "rows"), default="auto",
                     help="map: runs of a device one after another; vmap: together; rows: divide a "
                          "matrix too large for one device over all")  # fmt: skip
    run.add_argument("--precision", choices=("float32", "bfloat16"),
                     help="precision of matrix products in training; default float32")  # fmt: skip
    run.add_argument("--plugin", action="append", default=[], metavar="FILE",
                     help="Python file that registers your own methods")  # fmt: skip
    run.add_argument("--profile", type=Path, metavar="DIR", help="write a JAX profiler trace")
    run.add_argument("--dry-run", action="store_true",
                     help="print what would be computed and the estimated time; write nothing"
                    )  # fmt: skip
    add_verbosity(run)
    hosts = run.add_argument_group("several processes or hosts")
    hosts.add_argument("--distributed", action="store_true",
                       help="share the cells with all processes that run this command; --out is a "
                            "shared folder; process 0 writes the report")  # fmt: skip
    hosts.add_argument("--coordinator", metavar="HOST:PORT",
                       help="address of process 0; default, as for the next two options, from "
                            "SLURM, MPI or TPU metadata")  # fmt: skip
    hosts.add_argument("--processes", type=int, metavar="N", help="number of processes")
    hosts.add_argument("--process", type=int, metavar="I", help="index of this process, from 0")
    image = run.add_argument_group("image suites")
    image.add_argument("--scale", choices=("tiny", "small", "full"),
                       help="tiny: few images, a quarter of the height and width; small (default): "
                            "for a CPU; full: as in the paper")  # fmt: skip
    image.add_argument("--imbalance", nargs="+", choices=("paper", "reversed", "step"),
                       help="class counts, one or several: those of the paper (default), the same "
                            "in reverse order, or half of the classes large and half small"
                       )  # fmt: skip
    image.add_argument("--recipe", choices=("plain", "strong"),
                       help="strong: the classifier's images are cropped at random and flipped if "
                            "that keeps the class")  # fmt: skip
    table = run.add_argument_group("suite custom")
    table.add_argument("--data", nargs="+", action="extend", type=Path, metavar="FILE",
                       help="CSV, Parquet or npz files, or folders of them; each file is a data "
                            "set with the name of the file")  # fmt: skip
    table.add_argument("--target", metavar="COLUMN", help="column of labels")
    table.add_argument("--minority", metavar="LABEL",
                       help="minority class against all others; default: the rarer of two"
                      )  # fmt: skip
    table.add_argument(
        "--groups", metavar="COLUMN", help="column of groups, kept together in splits"
    )
    table.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN",
                       help="columns that are not features")  # fmt: skip
    table.add_argument("--categorical", nargs="+", action="extend", default=[], metavar="COLUMN",
                       help="columns to one-hot encode, even if numeric")  # fmt: skip
    table.add_argument("--no-header", action="store_true",
                       help="the first line is data; columns are called x0, x1, ..., and --target "
                            "may be a position, -1 for the last")  # fmt: skip
    _add_selection(run)
    _add_open(run)
    run.set_defaults(command="run")

    report = commands.add_parser("report", help="write the report of one or several result folders")
    report.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, metavar="DIR", help="default: the first folder")
    _add_selection(report)
    _add_open(report)
    report.set_defaults(command="report")

    compare = commands.add_parser("compare", help="compare methods in any table of scores")
    compare.add_argument(
        "scores", type=Path, metavar="SCORES.csv",
        help="table with a row per data set, named in the first column, and a column per method",
    )  # fmt: skip
    compare.add_argument("--control", metavar="METHOD", help="default: compare every pair")
    compare.add_argument("--rope", type=float, metavar="SIZE", default=0.01,
                         help="differences up to SIZE count as equal, default 0.01")  # fmt: skip
    compare.add_argument("--lower-is-better", action="store_true",
                         help="for error rates and losses")  # fmt: skip
    compare.add_argument("--out", type=Path, metavar="DIR", help="default: results/compare/SCORES")
    _add_json(compare)
    compare.set_defaults(command="compare")

    show = commands.add_parser("list", help="list suites, datasets, methods or networks")
    show.add_argument("what", choices=("suites", "datasets", "methods", "networks"))
    show.add_argument(
        "--data-home", type=Path, metavar="DIR", help="measure the data sets in this folder"
    )
    show.add_argument("--plugin", action="append", default=[], metavar="FILE")
    _add_json(show)
    show.set_defaults(command="list")

    bench = commands.add_parser("bench", help="time the main kernels on this machine")
    bench.add_argument("--kernels", nargs="+", metavar="NAME",
                       help="kernels to time; default: all but the two slowest, bagan and "
                            "deepsmote_reference, or all with --full")  # fmt: skip
    bench.add_argument("--runs", nargs="+", type=int, metavar="N",
                       help="numbers of runs")  # fmt: skip
    bench.add_argument("--batch", nargs="+", type=int, metavar="N", help="rows of a mini-batch")
    bench.add_argument("--rounds", type=int, default=5, metavar="N",
                       help="repetitions, default 5")  # fmt: skip
    bench.add_argument("--strategy", nargs="+", choices=("auto", "map", "vmap"), default=["auto"],
                       help="how runs are batched; several strategies are compared")  # fmt: skip
    bench.add_argument("--full", action="store_true",
                       help="all kernels, numbers of runs up to 1024 and batch sizes")  # fmt: skip
    bench.add_argument("--compare", choices=("torch",), help="also time the same in PyTorch")
    bench.add_argument("--against", type=Path, metavar="OTHER.json",
                       help="also compare with a result file of another machine, version or "
                            "commit")  # fmt: skip
    bench.add_argument("--small", action="store_true", help="tiny sizes, as a quick check")
    bench.add_argument("--json", nargs="?", const="-", metavar="FILE",
                       help="also write the results to FILE; to stdout by default or with -, and "
                            "everything else to stderr")  # fmt: skip
    bench.add_argument("--out", type=Path, metavar="DIR", default=Path("results/bench"),
                       help="folder of the results; default results/bench")  # fmt: skip
    bench.set_defaults(command="bench")
    return top


def _add_open(parser):
    parser.add_argument("--open", action="store_true", help="open the report in a browser")


def _add_selection(parser):
    parser.add_argument(
        "--selection", choices=("test", "optimistic"), default="test",
        help="optimistic: also report validation scores in place of test scores",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="NAME",
        help="further metrics for tables, without new training: f1, f2, balanced_accuracy, mcc, "
             "g_mean, brier, log_loss, recall_at_precision=0.9, precision_at_k=10, "
             "expected_cost=0,1,10,0",
    )  # fmt: skip


def _add_json(parser):
    parser.add_argument("--json", action="store_true",
                        help="print one JSON document; notices go to stderr")  # fmt: skip
