"""OpenML tables from a local server that answers like OpenML."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sklearn.datasets import _openml

from imbax.cli import main
from imbax.cli.arguments import parser
from imbax.data.frame_dataset import FrameDataset
from imbax.data.openml import openml
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError
from imbax.experiments.suites import load_suite
from imbax.experiments.suites.loaders import datasets_of

pytestmark = pytest.mark.usefixtures("quick_figures")

ROWS = 60
NUMBERS = np.random.default_rng(0).normal(size=(ROWS, 2)).round(3)
LABELS = ["bad" if i % 6 == 0 else "good" for i in range(ROWS)]
ARFF = """@RELATION toy
@ATTRIBUTE id NUMERIC
@ATTRIBUTE age NUMERIC
@ATTRIBUTE 'net worth' NUMERIC
@ATTRIBUTE price NUMERIC
@ATTRIBUTE class {good,bad}
@DATA
""" + "\n".join(f"{i},{a},{b},{1.5 * i},{LABELS[i]}" for i, (a, b) in enumerate(NUMBERS))
TYPES = {"id": "numeric", "age": "numeric", "net worth": "numeric", "price": "numeric"}
TYPES |= {"class": "nominal"}
MIXED_TYPES = {"age": "numeric", "colour": "nominal", "class": "nominal"}
MIXED = """@RELATION toy
@ATTRIBUTE age NUMERIC
@ATTRIBUTE colour {red,blue}
@ATTRIBUTE class {good,bad}
@DATA
""" + "\n".join(
    f"{'?' if i == 3 else a},{'blue' if i % 2 else 'red'},{LABELS[i]}"
    for i, (a, _) in enumerate(NUMBERS)
)
# Targets of data sets by id; 45 has a damaged file, 46 is sparse, and 47 has categories and a
# missing value.
TARGETS = {42: "class", 43: "price", 44: None, 45: "class", 46: "class", 47: "class"}


def answer(path, address):
    """Returns OpenML's answer to a path as bytes, or None for an unknown data set."""
    text = MIXED if "47" in path else ARFF
    if path.startswith("/data/"):
        return text.encode()
    *_, topic, number = path.split("/")
    if (number := int(number)) not in TARGETS:
        return None
    features = [
        {"index": str(i), "name": name, "data_type": kind, "is_target": str(is_target).lower()}
        | {"number_of_missing_values": "0", "is_ignore": "false"}
        | {"is_row_identifier": str(name == "id").lower()}
        for i, (name, kind) in enumerate((MIXED_TYPES if number == 47 else TYPES).items())
        for is_target in [name == TARGETS[number]]
    ]
    description = {"id": str(number), "name": "toy", "version": "1", "description": "a toy"}
    description |= {"format": "Sparse_ARFF" if number == 46 else "ARFF", "file_id": "7"}
    description |= {"status": "deactivated" if number == 43 else "active"}
    description |= {"url": f"http://{address}/data/v1/download/{number}/toy.arff"}
    description |= {"md5_checksum": "0" if number == 45 else hashlib.md5(text.encode()).hexdigest()}
    answers = {
        "data": {"data_set_description": description},
        "features": {"data_features": {"feature": features}},
        "qualities": {
            "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": f"{ROWS}.0"}]}
        },
    }
    return json.dumps(answers[topic]).encode()


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        found = answer(self.path, f"127.0.0.1:{self.server.server_port}")
        self.send_response(200 if found else 412)
        self.end_headers()
        self.wfile.write(found or b'{"error": {"code": "111"}}')

    def log_message(self, *_):
        pass


@pytest.fixture
def requests(monkeypatch, tmp_path):
    """Starts the server, points scikit-learn to it and yields the list of requested paths."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for name in ("_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        url = getattr(_openml, name).replace(
            "https://www.openml.org", f"http://127.0.0.1:{server.server_port}"
        )
        monkeypatch.setattr(_openml, name, url)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home"))
    monkeypatch.setattr(_openml.time, "sleep", lambda seconds: None)
    try:
        yield server.requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_set_is_downloaded_once(requests, tmp_path):
    found = openml(42, drop=["price"])
    assert found.name == "openml_42"
    assert found.feature_names == ("age", "net worth"), "identifiers are not features"
    assert found.classes == ("good", "bad")
    np.testing.assert_array_equal(found.x, NUMBERS)
    np.testing.assert_array_equal(found.y, [label == "bad" for label in LABELS])
    assert len(requests) == 4
    again = openml(42, "class", name="toy", drop=["price"], data_home=tmp_path / "home")
    assert (again.name, again.fingerprint) == ("toy", found.fingerprint)
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("number", "target", "error", "says"),
    [
        (999, None, InputError, "OpenML has no data set 999; look up the id at openml.org/search"),
        (43, None, InputError, "'price' seems continuous, 60 distinct numbers such as"),
        (44, None, InputError, "openml_44 has no target on OpenML, expected one; name a column"),
        (42, "klass", InputError, "openml_42: no column 'klass'; did you mean 'class'"),
        (46, None, InputError, "openml_46 is a sparse table, expected a dense one; save it as"),
        (
            45,
            None,
            DataUnavailable,
            "openml_45: the copy in scikit-learn's data folder .* is damag",
        ),
    ],
)
def test_errors_of_invalid_input_give_advice(requests, number, target, error, says):
    with pytest.raises(InputError, match=says) as caught:
        openml(number, target)
    assert caught.type is error


def test_categories_and_missing_values_are_kept(requests):
    found = openml(47)
    assert isinstance(found, FrameDataset)
    assert list(found.frame.columns) == ["age", "colour"]
    assert found.frame["age"].isna().sum() == 1
    assert set(found.frame["colour"]) == {"red", "blue"}


def test_openml_warnings_become_notices(requests):
    found = openml(43, "class")
    assert any("Version 1 of dataset toy is inactive" in notice for notice in found.notices)


def test_missing_network_or_copy_is_reported(requests, monkeypatch, tmp_path):
    with pytest.raises(DataUnavailable, match=r"data/42\.gz does not exist; download the set"):
        openml(42, data_home=tmp_path / "empty")
    assert not requests and not (tmp_path / "empty").exists()
    monkeypatch.setattr(_openml, "_DATA_INFO", "http://127.0.0.1:9/{}")
    with pytest.raises(DataUnavailable, match=r"OpenML cannot be reached .*; connect, or download"):
        openml(42)


def test_suite_can_contain_openml_sets(requests, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imbax.reports.tabular.report.write", lambda *_: tmp_path / "report.md")
    openml(42)
    (tmp_path / "my.toml").write_text(
        'methods = ["logistic_regression"]\nseeds = 1\nfolds = 2\n'
        '[[datasets]]\nopenml = 42\nname = "toy"\ntarget = "class"\nminority = "bad"\n'
        "[[datasets]]\nopenml = 999\n"
    )
    assert main(["run", "my.toml", "--data-home", "home"]) == 2
    assert capsys.readouterr().err.startswith("imbax: error: openml_999: openml_999: home/openml")
    assert (tmp_path / "results" / "my" / "runs" / "toy").is_dir()


def test_climb_loads_73_sets_by_id(requests, monkeypatch):
    suite = load_suite("climb")
    sets = {source.name: source.where for source in suite.sources}
    assert len(sets) == len(set(sets.values())) == 73
    assert suite.folds == 5
    monkeypatch.setitem(TARGETS, sets["mammography"], "class")
    options = parser().parse_args(["run", "climb", "--datasets", "mammography"])
    ((name, load),) = datasets_of(suite, options)
    found = load()
    assert name == found.name == "mammography"
    assert found.n_rows == ROWS
    assert any(path.endswith("/310") for path in requests)
