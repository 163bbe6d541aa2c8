"""Damaged files of fitted estimators give a one-line error and run no code."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from imbax import DeepSMOTE, InputError
from imbax.estimators import saving

STORED = Path(__file__).parents[1] / "stored" / "deepsmote.safetensors"


class Evil:
    """Object that ends the process when it is unpickled."""

    def __reduce__(self):
        return os._exit, (1,)


def changed(**about):
    """Returns the stored file with changed JSON."""
    metadata, arrays = saving.read(STORED, "DeepSMOTE")
    return save(arrays, {"imbax.DeepSMOTE": json.dumps(metadata | about)})


def without_an_array():
    arrays = load(STORED.read_bytes())
    name = next(name for name in arrays if name.startswith("fitted"))
    metadata, _ = saving.read(STORED, "DeepSMOTE")
    return save(
        {key: leaf for key, leaf in arrays.items() if key != name},
        {"imbax.DeepSMOTE": json.dumps(metadata)},
    )


DAMAGE = {
    "empty": lambda: b"",
    "cut short": lambda: STORED.read_bytes()[:-9],
    "text": lambda: b"garbage\n",
    "a pickle": lambda: pickle.dumps(Evil()),
    "no JSON": lambda: save({"w": np.zeros(1)}, {"imbax.DeepSMOTE": "{"}),
    "a list": lambda: save({"w": np.zeros(1)}, {"imbax.DeepSMOTE": "[]"}),
    "an unknown parameter": lambda: changed(params={"evil": 1}),
    "an array less": without_an_array,
    "another length of codes": lambda: changed(params={"latent_dim": 3}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_is_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(DAMAGE[damage]())
    with pytest.raises(InputError, match=r"a\.safetensors' is damaged .*DeepSMOTE\.save") as caught:
        DeepSMOTE.load(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match="does not exist"):
            DeepSMOTE.load(path)


def test_flipped_bit_is_detected(tmp_path):
    path = tmp_path / "a.safetensors"
    saving.write(path, "DeepSMOTE", {}, {"w": np.arange(3.0)})
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with pytest.raises(ValueError, match="its content has changed"):
        saving.read(path, "DeepSMOTE")
