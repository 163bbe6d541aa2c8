"""Results folders of other users: code in them is never run."""

import contextlib
import json
import os
import pickle
from argparse import Namespace

import pyarrow.parquet as pq
import pytest
from commands import on_table, status_and_errors, table, tables

from imbax.cli import main
from imbax.experiments import manifest, store
from imbax.results import session

pytestmark = pytest.mark.usefixtures("own_registry", "quick_figures")


class Evil:
    """Object that creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


START = """
import jax.numpy as jnp
import imbax
from imbax.training import Fit, Program


def tilted(facts):
    def init(key, problem, hparams, start):
        return {"tilt": jnp.float32(1) + (0 if start is None else start["tilt"])}

    return Program(
        apply=lambda params, x: params["tilt"] * x[:, 0],
        init=init,
        epoch=lambda key, state, problem, hparams: ({"tilt": state["tilt"] + 1}, state["tilt"]),
        fit=Fit,
        checkpoint="last",
    )


imbax.register("first", tilted)
imbax.register("second", tilted, starts_from="first")
"""
EVIL_PLUGIN = "import os, imbax\nos.mkdir({!r})\nimbax.register('mine', host=print)\n"


def test_contents_of_results_folders_are_never_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran, out, data = tmp_path / "was run", tmp_path / "out", table(tmp_path)
    (tmp_path / "start.py").write_text(START)
    command = [*on_table(data, out, "first", "second", seeds=1), "--plugin", "start.py"]
    assert main(command) == 0
    before = tables(out)
    capsys.readouterr()

    (state,) = (out / "states").rglob("*.safetensors")
    evil = pickle.dumps(Evil(ran))
    state.unlink()
    state.with_suffix(".pickle").write_bytes(evil)
    state.with_name("x-unfinished.pickle").write_bytes(evil)
    (stored,) = (out / "runs" / "table" / "second").glob("*.parquet")
    stored.write_bytes(evil)  # computed again from the state
    for name in ("a.parquet", "b.pickle", "c.npy"):
        (out / "runs" / "table" / "first" / name).write_bytes(evil)
    (out / "runs" / "table" / "evil").mkdir()
    (out / "runs" / "table" / "evil" / "0-seed0.parquet").write_bytes(evil)
    for name in ("conftest.py", "sitecustomize.py", "imbax.py", "plugin.py"):
        (out / name).write_text(EVIL_PLUGIN.format(str(ran)))
    output = f"imbax run custom --methods mine --plugin {out / 'plugin.py'}"
    (out / "manifest.json").write_text(json.dumps({"commands": [output]}))
    (out / "compiled").mkdir()
    (out / "compiled" / "jit_f-0123-cache").write_bytes(evil)

    with pytest.warns(UserWarning) as caught:
        assert main(command) == 0
        assert main(["report", str(out)]) == 0
    texts = [str(warning.message) for warning in caught]
    assert any("never opened" in text and state.stem in text for text in texts)
    assert any(f"computed again: {stored}" in text for text in texts)
    assert tables(out) == before
    assert output in (out / "report.md").read_text()
    # Plugins of the stored command must be given again.
    status, (line,) = status_and_errors(capsys, on_table(data, out, "mine"))
    assert status == 2 and "'mine'" in line
    assert not ran.exists()
    pickle.loads(evil)
    assert ran.exists()


def test_compiled_programs_are_stored_in_the_users_cache(tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(session, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(session.jax, "config", Namespace(jax_compilation_cache_dir=None))
    session.jax.config.update = kept.__setitem__
    session.keep_compiled_programs()
    assert kept["jax_compilation_cache_dir"] == str(tmp_path / "imbax" / "compiled")


MANIFESTS = ["", "{", "[]", "3", '{"commands": 3}', '{"commands": [[1]]}', '{"failed": [1]}']
MANIFESTS += ["[" * 100_000, "\0", '{"origins": {"a": ["one text"]}}']


@pytest.mark.parametrize("text", MANIFESTS, ids=range(len(MANIFESTS)))
def test_malformed_manifests_are_replaced(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.warns(UserWarning, match=r"damaged file: .*manifest\.json") as caught:
        manifest.write(tmp_path, "imbax run", {}, {"a/b": "no"}, {})
    assert len(caught) == 1
    assert manifest.read(tmp_path)["failed"] == {"a/b": "no"}


def provenance(**changes):
    about = {"dataset": "d", "method": "m", "key": "k", "suite": "s", "config": {}}
    about |= {"method_facts": {}, "dataset_facts": {}, "timing": {}, "environment": {}}
    return about | {"settings": {}} | changes


MALFORMED = [[], 3, None, {}, {"dataset": "d"}, provenance(dataset=3), provenance(config=[1])]
MALFORMED += [provenance(timing="soon"), provenance(method_facts=None), provenance()]


@pytest.mark.parametrize("about", MALFORMED, ids=range(len(MALFORMED)))
def test_parquet_files_of_other_programs_give_a_one_line_error(
    about, make_results, tmp_path, capsys
):
    make_results(tmp_path, datasets=("ecoli",), methods=("ce",), seeds=1)
    path = store.file_path(tmp_path, "ecoli", "ce", "0a1b", 0)
    found = pq.read_table(path)
    output = dict(found.schema.metadata) | {b"imbax": json.dumps(about).encode()}
    pq.write_table(found.replace_schema_metadata(output), path)
    with (
        pytest.warns(UserWarning, match=path.name)
        if about != MALFORMED[-1]
        else contextlib.nullcontext()
    ):
        status, (line,) = status_and_errors(capsys, ["report", tmp_path])
    assert status == 2
    assert line.startswith("imbax: error: ")
