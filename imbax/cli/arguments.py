"""What the command line takes. Nothing here is heavy, so that help comes at once."""

import argparse
from pathlib import Path

from imbax import __version__
from imbax.cli.completion import PrintCompletion
from imbax.cli.verbosity import add_verbosity

__all__ = ["parser"]


def parser() -> argparse.ArgumentParser:
    """The parser; the parsed command's name is in `command`."""
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
    run.add_argument("--datasets", nargs="+", metavar="NAME", help="only these data sets")
    run.add_argument("--methods", nargs="+", metavar="NAME",
                     help="these, `paper` (its Tables 2 and 3), or `all` that fit")  # fmt: skip
    run.add_argument("--network", nargs="+", metavar="NAME",
                     help="what methods train, one or several; default mlp, `imbax list "
                          "networks`")  # fmt: skip
    run.add_argument("--n-estimators", nargs="+", type=int, metavar="N",
                     help="networks whose probabilities are averaged, one or several numbers; "
                          "default 1")  # fmt: skip
    run.add_argument("--fold-ensemble", nargs="*", type=int, metavar="FOLDS",
                     help="each of them validates on one fold of training and validation rows and "
                          "trains on the others; as many folds as networks, or FOLDS")  # fmt: skip
    run.add_argument("--seeds", type=int, metavar="N", help="seeds, each with its own splits")
    run.add_argument("--folds", type=int, metavar="N", help="folds per seed")
    run.add_argument("--epochs", type=int, metavar="N", help="epochs of each training")
    run.add_argument("--n-synth", choices=("double", "balance"), help="default double")
    run.add_argument("--scaling", choices=("min_max", "z_score"), help="of the features")
    run.add_argument("--components", type=int, metavar="K", help="principal axes to project on")
    run.add_argument("--fit-on", choices=("train", "all"), help="rows that scaling comes from")
    run.add_argument("--out", type=Path, metavar="DIR", help="default: results/SUITE")
    run.add_argument("--data-home", type=Path, metavar="DIR", help="cache of the data loaders")
    run.add_argument("--memory", type=float, metavar="GB",
                     help="budget; default 4, on an accelerator all there is")  # fmt: skip
    run.add_argument("--strategy", choices=("auto", "map", "vmap", "rows"), default="auto",
                     help="runs in turn or together on each device; rows: a matrix that one device "
                          "cannot hold is divided over all")  # fmt: skip
    run.add_argument("--precision", choices=("float32", "bfloat16"),
                     help="of matrix products in training; default float32")  # fmt: skip
    run.add_argument("--plugin", action="append", default=[], metavar="FILE",
                     help="a Python file that registers methods of your own")  # fmt: skip
    run.add_argument("--profile", type=Path, metavar="DIR", help="write a jax profiler trace")
    run.add_argument("--dry-run", action="store_true",
                     help="say what would be computed, and about how long it takes; write nothing"
                    )  # fmt: skip
    add_verbosity(run)
    hosts = run.add_argument_group("several processes or hosts")
    hosts.add_argument("--distributed", action="store_true",
                       help="share the cells with all processes that are given this command; --out "
                            "is a folder that all see; process 0 writes the report")  # fmt: skip
    hosts.add_argument("--coordinator", metavar="HOST:PORT",
                       help="of process 0; default, as the next two: what SLURM, MPI or TPU "
                            "metadata say")  # fmt: skip
    hosts.add_argument("--processes", type=int, metavar="N", help="how many there are")
    hosts.add_argument("--process", type=int, metavar="I", help="the number of this one, from 0")
    image = run.add_argument_group("suites of images")
    image.add_argument("--scale", choices=("tiny", "small", "full"),
                       help="tiny: few images, a quarter as high and wide; small (default): for a "
                            "CPU; full: the paper's")  # fmt: skip
    image.add_argument("--imbalance", nargs="+", choices=("paper", "reversed", "step"),
                       help="counts of the classes, one or several: the paper's (default), these "
                            "from the last class to the first, or a half large and a half small"
                       )  # fmt: skip
    image.add_argument("--recipe", choices=("plain", "strong"),
                       help="strong: the classifier's images are cropped and, where that "
                            "keeps the class, flipped")  # fmt: skip
    table = run.add_argument_group("suite custom")
    table.add_argument("--data", nargs="+", action="extend", type=Path, metavar="FILE",
                       help="CSV, Parquet or npz; several, or folders of them, are data sets by "
                            "the files' names")  # fmt: skip
    table.add_argument("--target", metavar="COLUMN", help="the column of labels")
    table.add_argument("--minority", metavar="LABEL",
                       help="against all others; default: the rarer of two")  # fmt: skip
    table.add_argument("--groups", metavar="COLUMN", help="rows of a group stay in one part")
    table.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN",
                       help="not features")  # fmt: skip
    table.add_argument("--categorical", nargs="+", action="extend", default=[], metavar="COLUMN",
                       help="one-hot encoded, even numbers")  # fmt: skip
    table.add_argument("--no-header", action="store_true",
                       help="the first line is data; columns are x0, x1, ..., and --target may be "
                            "a position, -1 the last")  # fmt: skip
    _add_selection(run)
    run.set_defaults(command="run")

    report = commands.add_parser("report", help="write the report again, or over several folders")
    report.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, metavar="DIR", help="default: the first folder")
    _add_selection(report)
    report.set_defaults(command="report")

    compare = commands.add_parser("compare", help="statistics of any table of scores")
    compare.add_argument(
        "scores", type=Path, metavar="SCORES.csv",
        help="a row per data set, named in the first column, a column per method",
    )  # fmt: skip
    compare.add_argument("--control", metavar="METHOD", help="default: compare every pair")
    compare.add_argument("--rope", type=float, metavar="SIZE", default=0.01,
                         help="differences that count as none, default 0.01")  # fmt: skip
    compare.add_argument("--lower-is-better", action="store_true", help="of error rates, losses")
    compare.add_argument("--out", type=Path, metavar="DIR", help="default: results/compare/SCORES")
    _add_json(compare)
    compare.set_defaults(command="compare")

    show = commands.add_parser("list", help="list suites, datasets, methods or networks")
    show.add_argument("what", choices=("suites", "datasets", "methods", "networks"))
    show.add_argument("--data-home", type=Path, metavar="DIR", help="measure the sets found there")
    show.add_argument("--plugin", action="append", default=[], metavar="FILE")
    _add_json(show)
    show.set_defaults(command="list")

    bench = commands.add_parser("bench", help="time the main kernels on this machine")
    bench.add_argument("--kernels", nargs="+", metavar="NAME", help="default all")
    bench.add_argument("--runs", nargs="+", type=int, metavar="N",
                       help="default 1 to 1024, of images 1 and 4")  # fmt: skip
    bench.add_argument("--batch", nargs="+", type=int, metavar="N", help="rows of a batch")
    bench.add_argument("--rounds", type=int, default=5, metavar="N", help="turns, default 5")
    bench.add_argument("--strategy", nargs="+", choices=("auto", "map", "vmap"), default=["auto"],
                       help="how runs are an axis; several are compared")  # fmt: skip
    bench.add_argument("--compare", choices=("torch",), help="also time the same in PyTorch")
    bench.add_argument("--small", action="store_true", help="tiny sizes, to try whether all works")
    bench.add_argument("--out", type=Path, metavar="DIR", default=Path("results/bench"),
                       help="keeps the figures as they come; default results/bench")  # fmt: skip
    bench.set_defaults(command="bench")
    return top


def _add_selection(parser):
    parser.add_argument(
        "--selection", choices=("test", "optimistic"), default="test",
        help="optimistic: also say what reporting validation scores would have shown",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", nargs="+", default=[], metavar="NAME",
        help="more metrics of tables: f1, f2, balanced_accuracy, mcc, g_mean, brier, log_loss, "
             "recall_at_precision=0.9, precision_at_k=10, expected_cost=0,1,10,0; nothing is "
             "trained for them",
    )  # fmt: skip


def _add_json(parser):
    parser.add_argument("--json", action="store_true",
                        help="print one JSON document, and notices to stderr")  # fmt: skip
