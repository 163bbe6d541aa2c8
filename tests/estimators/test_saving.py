"""Files of fitted estimators that are not what they should be: one line, and nothing is run."""

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
    """Ends the process when it is unpickled."""

    def __reduce__(self):
        return os._exit, (1,)


def changed(**about):
    """The stored file with other JSON."""
    said, arrays = saving.read(STORED, "DeepSMOTE")
    return save(arrays, {"imbax.DeepSMOTE": json.dumps(said | about)})


def without_an_array():
    arrays = load(STORED.read_bytes())
    name = next(name for name in arrays if name.startswith("fitted"))
    said, _ = saving.read(STORED, "DeepSMOTE")
    return save(
        {key: leaf for key, leaf in arrays.items() if key != name},
        {"imbax.DeepSMOTE": json.dumps(said)},
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
def test_a_damaged_file_gets_one_line(damage, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(DAMAGE[damage]())
    with pytest.raises(InputError, match=r"a\.safetensors' is damaged .*DeepSMOTE\.save") as caught:
        DeepSMOTE.load(path)
    assert "\n" not in str(caught.value)


def test_an_absent_file_is_said_to_be(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            DeepSMOTE.load(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    saving.write(path, "DeepSMOTE", {}, {"w": np.arange(3.0)})
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with pytest.raises(ValueError, match="its bytes have changed"):
        saving.read(path, "DeepSMOTE")
