"""The command line. Heavy imports happen inside commands, so that help comes at once."""

import shlex
import sys
from functools import partial
from pathlib import Path

from imbax.cli.arguments import parser
from imbax.errors import InputError, did_you_mean

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 for a mistake in what was given."""
    options = parser().parse_args(arguments)
    options.given = sys.argv[1:] if arguments is None else arguments
    try:
        return _COMMANDS[options.command](options)
    except InputError as error:
        print(f"imbax: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("imbax: interrupted; finished cells are kept, run again to go on", file=sys.stderr)
        return 130


def _run(options):
    from imbax.experiments.suites import load_suite

    suite = load_suite(options.suite)
    seeds = suite.seeds if options.seeds is None else options.seeds
    if seeds < 1:
        raise InputError(f"--seeds {seeds}, expected at least 1")
    if options.memory is not None and options.memory <= 0:
        raise InputError(f"--memory {options.memory:g}, expected GB above 0")
    where = (options.coordinator, options.processes, options.process)
    if not options.distributed and where != (None, None, None):
        raise InputError("--coordinator, --processes and --process need --distributed")
    if suite.loader == "toy2d":
        return _run_toy2d(suite, options)
    if options.profile is not None:
        _check_writable(options.profile, "--profile")
    if suite.loader == "sine":
        return _run_sine(suite, seeds, options)
    if suite.loader == "images":
        return _run_images(suite, options)
    _refuse(suite, options, ("scale", "recipe", "imbalance"), "what suites of tables take")
    folds = suite.folds if options.folds is None else options.folds
    if folds < 2:
        raise InputError(
            f"--folds {folds}, expected at least 2: a model needs rows to be tested on"
        )
    epochs = suite.epochs if options.epochs is None else options.epochs
    if epochs < 1:
        raise InputError(f"--epochs {epochs}, expected at least 1")
    datasets = _datasets(suite, options)
    out = options.out or Path("results") / suite.name
    _check_writable(out)
    _check_kind(out, of_images=False)

    from imbax.catalogue import get
    from imbax.cli import session
    from imbax.experiments.lab import Lab
    from imbax.experiments.run import run_suite, with_starts
    from imbax.experiments.tabular.plan import Protocol
    from imbax.reports.tabular.report import write_report

    numbers = {"folds": folds, "epochs": epochs, "n_synth": options.n_synth or "double"}
    protocol = Protocol(**numbers, **(suite.protocol | _protocol_options(options)))
    _check_plugins(options.plugin)
    if not options.plugin:  # which may register more, but also use jax, once it is started
        _methods(options.methods, suite)
    with session.start(options, out) as share:
        _load_plugins(options.plugin)
        names = _methods(options.methods, suite)
        methods = [get(name) for name in with_starts(names)]
        if added := {method.name for method in methods} - set(names):
            print(f"also running {', '.join(sorted(added))}: others start from it")
        lab = Lab(protocol, session.engine(options), out, suite.name)
        required = bool(options.datasets) or suite.loader == "file"
        about = {"required": required, "share": share, "command": _command(options)}
        with session.profiled(options.profile):
            outcome = run_suite(lab, datasets, methods, range(seeds), **about)
        write = partial(write_report, optimistic=_optimistic(options))
        return _finished(outcome, out, share, write)


def _run_images(suite, options):
    given = ("datasets", "data", "scaling", "components", "fit_on", "plugin", "n_synth")
    given += ("precision", "target", "minority", "groups", "drop")
    taken = "--scale, --recipe, --imbalance, --methods, --seeds, --folds, --epochs"
    _refuse(suite, options, given, taken)
    changes = dict({"tiny": suite.tiny, "full": suite.full}.get(options.scale, {}))
    fraction, factor = changes.pop("fraction", 1.0), changes.pop("shrink", 1)
    numbers = {name: changes.pop(name, getattr(suite, name)) for name in ("seeds", "folds")}
    numbers |= {name: value for name in numbers if (value := getattr(options, name)) is not None}
    seeds = numbers.pop("seeds")
    changes = {"epochs": suite.epochs, **suite.protocol, **changes, **numbers}
    if options.epochs is not None:
        changes["epochs"] = options.epochs
    if options.recipe == "strong":
        changes |= suite.strong
    chosen = [
        name for name in (options.scale, options.recipe) if name in ("tiny", "full", "strong")
    ]
    out = options.out or Path("results") / "_".join([suite.name, *chosen])
    _check_writable(out)
    _check_kind(out, of_images=True)
    from imbax.catalogue.images import IMAGE_METHODS, image_method
    from imbax.cli import session
    from imbax.data.images import images, shrunk
    from imbax.data.imbalance import recounted
    from imbax.experiments.images.lab import ImageLab
    from imbax.experiments.images.plan import ImageProtocol
    from imbax.experiments.run import run_suite
    from imbax.reports.images.report import write_image_report

    every = tuple(name for name, method in IMAGE_METHODS.items() if method.kind != "reading")
    names = every if options.methods == ["all"] else options.methods
    methods = [image_method(name) for name in names or suite.methods]
    protocol = ImageProtocol(**changes)

    def load(name, kind):
        return shrunk(recounted(images(name, options.data_home), kind, fraction), factor)

    kinds = options.imbalance or ["paper"]
    datasets = [(name, partial(load, name, kind)) for name in suite.datasets for kind in kinds]
    with session.start(options, out) as share:
        lab = ImageLab(protocol, session.engine(options), out, suite.name)
        about = {"required": True, "share": share, "command": _command(options)}
        with session.profiled(options.profile):
            outcome = run_suite(lab, datasets, methods, range(seeds), **about)
        return _finished(outcome, out, share, write_image_report)


def _command(options):
    return shlex.join(["imbax", *options.given])


def _finished(outcome, out, share, write):
    """Say what failed and, in one process, report on what is there; the exit status."""
    for where, error in outcome.failed.items():
        print(f"imbax: error: {where}: {error}", file=sys.stderr)
    if share.process == 0 and any((out / "runs").glob("*/*/*.parquet")):
        print(f"report: {write([out], out)}")
    return 2 if outcome.failed else 0


def _refuse(suite, options, names, taken):
    for name in names:
        if getattr(options, name):
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} does not apply to suite {suite.name}; it takes {taken}")


def _run_sine(suite, seeds, options):
    given = ("datasets", "methods", "folds", "epochs", "data", "distributed", "precision")
    _refuse(suite, options, given, "--seeds, --out, --memory and --profile")
    if options.strategy == "rows":
        raise InputError(f"--strategy rows does not apply to suite {suite.name}: it has few rows")
    out = options.out or Path("results") / suite.name
    _check_writable(out)
    from imbax.cli import session

    session.start(options, out)
    from imbax.experiments.sine.problem import Config
    from imbax.experiments.sine.suite import run_sine

    about = {"engine": session.engine(options), "command": _command(options)}
    with session.profiled(options.profile):
        report = run_sine(out, seeds, Config(epochs=suite.epochs), **about)
    print(f"report: {report}")
    return 0


def _run_toy2d(suite, options):
    given = ("datasets", "methods", "seeds", "folds", "epochs", "data", "scale", "recipe")
    given += ("distributed", "profile", "memory", "precision")
    _refuse(suite, options, given, "--out")
    out = options.out or Path("results") / suite.name
    _check_writable(out)
    from imbax.cli.session import keep_compiled_programs
    from imbax.reports.toy2d import write_toy2d

    keep_compiled_programs()
    print(f"report: {write_toy2d(out, _command(options))}")
    return 0


def _methods(given, suite):
    from imbax.catalogue import get, names
    from imbax.experiments.suites import PAPER

    fits = [n for n in names() if not get(n).needs_withheld or suite.loader == "adult"]
    if suite.loader == "long_tail":
        fits = [name for name in fits if get(name).several_classes]
    if given == ["all"]:
        return tuple(name for name in fits if get(name).kind != "reading")
    if given == ["paper"]:
        return PAPER
    for name in given or ():
        if get(name).needs_withheld and suite.loader != "adult":
            raise InputError(
                f"{name} needs withheld minority rows, and suite {suite.name} has none; use adult"
            )
        if name not in fits:
            raise InputError(
                f"{name} knows two classes, and suite {suite.name} has more; `--methods all` runs "
                "those that know more"
            )
    return tuple(given or suite.methods)


def _protocol_options(options):
    names = ("scaling", "components", "fit_on", "precision")
    given = {name: getattr(options, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _datasets(suite, options):
    """Names and loaders of the data sets wanted; unknown names are refused at once."""
    from imbax.data import tabular

    if suite.loader == "file":
        from imbax.data.files import read_table

        if options.data is None:
            raise InputError("suite custom needs --data FILE (and --target COLUMN)")
        load = partial(
            read_table,
            options.data,
            options.target,
            minority=options.minority,
            groups=options.groups,
            drop=options.drop,
        )
        return [(options.data.stem, load)]
    for name in options.datasets or ():
        if name not in suite.datasets:
            raise InputError(
                f"suite {suite.name} has no data set {name!r}{did_you_mean(name, suite.datasets)}"
            )
    names = options.datasets or suite.datasets
    if suite.loader == "quickstart":
        loader = tabular.quickstart
    elif suite.loader == "adult":
        from imbax.data.adult import adult

        loader = partial(adult, data_home=options.data_home)
    elif suite.loader == "long_tail":
        from imbax.data.long_tail import long_tail

        loader = partial(long_tail, data_home=options.data_home)
    else:
        loader = partial(tabular.imblearn27, data_home=options.data_home)
        names = options.datasets or _by_shape(names, tabular.imblearn27_facts())
    return [(name, partial(loader, name)) for name in names]


def _by_shape(names, facts):
    """Names of data sets, those that share compiled programs one after the other."""
    from imbax.experiments.tabular.padding import columns, rows

    shapes = {each.name: (columns(each.features, each.rows), rows(each.rows)) for each in facts}
    return sorted(names, key=shapes.get)


def _check_writable(folder, option="--out"):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".imbax-writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may look at the same time
    except OSError as error:
        raise InputError(
            f"{option} {folder} cannot be written ({error.strerror}); name a folder that can"
        ) from None


def _check_kind(out, *, of_images):
    from imbax.reports.images.report import holds_images

    if any(out.glob("runs/*/*/*.parquet")) and holds_images([out]) != of_images:
        raise InputError(f"{out} holds results of {'tables' if of_images else 'images'}; name "
                         "another folder with --out")  # fmt: skip


def _check_plugins(files):
    for file in files:
        if not Path(file).is_file():
            raise InputError(f"--plugin {file} is not a file; give a Python file that registers")


def _load_plugins(files):
    import runpy

    _check_plugins(files)
    for file in files:
        runpy.run_path(file)


def _optimistic(options):
    return options.selection == "optimistic"


def _report(options):
    from imbax.reports.images.report import holds_images, write_image_report
    from imbax.reports.tabular.report import write_report

    for folder in options.folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give one that `imbax run --out` wrote")
    out = options.out or options.folders[0]
    _check_writable(out)
    if holds_images(options.folders):
        print(f"report: {write_image_report(options.folders, out)}")
    else:
        print(f"report: {write_report(options.folders, out, optimistic=_optimistic(options))}")
    return 0


def _compare(options):
    from imbax.data.score_files import read_scores
    from imbax.reports.compare import write_comparison

    scores = read_scores(options.scores)
    out = options.out or Path("results") / "compare" / options.scores.stem
    _check_writable(out)
    page = write_comparison(
        scores, out, source=options.scores.name, control=options.control, rope=options.rope
    )
    if dropped := len(scores) - len(scores.dropna()):
        print(f"{dropped} of {len(scores)} data sets left out: not every method has a score there")
    print(f"comparison: {page}")
    return 0


def _list(options):
    from rich.console import Console

    from imbax.cli import listings

    if options.what == "methods":
        import imbax.experiments.tabular.baselines  # noqa: F401  registers them

        _load_plugins(options.plugin)
    table = {
        "suites": listings.suites,
        "datasets": lambda: listings.datasets(options.data_home),
        "methods": listings.methods,
    }[options.what]()
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _bench(options):
    _check_writable(options.out)
    from imbax.bench.command import bench
    from imbax.engine.devices import use_cpu_cores

    use_cpu_cores()
    print(f"figure: {bench(options, shlex.join(['imbax', *options.given]))}")
    return 0


_COMMANDS = {"run": _run, "report": _report, "compare": _compare, "list": _list, "bench": _bench}
