"""Image sets from small generated files in the official layouts, and from the real files."""

import gzip
import os
import pickle

import numpy as np
import pytest
from made_files import write_celeba
from scipy.io import savemat

from imbax.data.images import IMAGE_SETS, Images, images, shrunk
from imbax.data.tabular import DataUnavailable
from imbax.errors import InputError

RNG = np.random.default_rng(0)


def pixels(n, *shape):
    return RNG.integers(0, 256, (n, *shape), np.uint8)


def labels(n, k=10):
    return np.arange(n) % k


def write_idx(path, array, packed):
    head = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path = path.with_name(path.name + (".gz" if packed else ""))
    with (gzip.open if packed else open)(path, "wb") as file:
        file.write(head + array.tobytes())
    return path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "folder"),
    [("mnist", "mnist"), ("fashion_mnist", "fashion"), ("fashion_mnist", "fashion_mnist")],
)
def test_idx_files_are_read(tmp_path, name, folder, packed):
    (tmp_path / folder).mkdir()
    x, x_test = pixels(12, 28, 28), pixels(10, 28, 28)
    for part, images_, y in (("train", x, labels(12)), ("t10k", x_test, labels(10))):
        write_idx(tmp_path / folder / f"{part}-images-idx3-ubyte", images_, packed)
        write_idx(tmp_path / folder / f"{part}-labels-idx1-ubyte", y.astype(np.uint8), packed)
    found = images(name, tmp_path)
    np.testing.assert_array_equal(found.x, x[..., None])
    np.testing.assert_array_equal(found.x_test, x_test[..., None])
    np.testing.assert_array_equal(found.y, labels(12))
    np.testing.assert_array_equal(found.y_test, labels(10))
    assert found.shape == (28, 28, 1)
    assert found.name == name
    assert len(found.classes) == 10


@pytest.mark.parametrize("kind", ["py", "bin"])
def test_cifar10_batches_are_read(tmp_path, kind):
    folder = tmp_path / f"cifar-10-batches-{kind}"
    folder.mkdir()
    x, y = pixels(24, 32, 32, 3), labels(24)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for number, name in enumerate(names):
        part = slice(4 * number, 4 * number + 4)
        flat = x[part].transpose(0, 3, 1, 2).reshape(4, -1)
        if kind == "bin":
            rows = np.concatenate([y[part, None].astype(np.uint8), flat], 1)
            (folder / f"{name}.bin").write_bytes(rows.tobytes())
        else:
            batch = {b"data": flat, b"labels": y[part].tolist()}
            (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    found = images("cifar10", tmp_path)
    np.testing.assert_array_equal(found.x, x[:20])
    np.testing.assert_array_equal(found.x_test, x[20:])
    np.testing.assert_array_equal(found.y, y[:20])
    assert not found.notices


class Evil:
    """Object that creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batch_file_that_would_run_code_is_refused(tmp_path, protocol):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for evil in (print, Evil(tmp_path / "was run"), {b"data": Evil(tmp_path / "was run")}):
        (folder / "data_batch_1").write_bytes(pickle.dumps(evil, protocol))
        with pytest.raises(DataUnavailable, match=r"cifar10: .*it refers to .*(print|mkdir)"):
            images("cifar10", tmp_path)
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"garbage", b".", b"0", pickle.dumps([1]), pickle.dumps({b"data": 1})]
)
def test_damaged_batch_file_is_refused_in_one_line(tmp_path, content):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(content)
    with pytest.raises(DataUnavailable, match="cannot be read") as caught:
        images("cifar10", tmp_path)
    assert "\n" not in str(caught.value)


def test_npz_gives_a_notice_that_it_may_be_partial(tmp_path):
    arrays = {"x_train": pixels(11, 32, 32, 3), "y_train": labels(11).astype(np.uint8)}
    arrays |= {"x_test": pixels(10, 32, 32, 3), "y_test": labels(10).astype(np.uint8)}
    np.savez(tmp_path / "cifar10_mine.npz", **arrays)
    found = images("cifar10", tmp_path)
    np.testing.assert_array_equal(found.x, arrays["x_train"])
    assert found.y.dtype == np.int64
    assert "cifar10_mine.npz" in found.notices[0]
    del arrays["y_test"]
    np.savez(tmp_path / "svhn.npz", **arrays)
    with pytest.raises(DataUnavailable, match=r"svhn: .*svhn\.npz lacks y_test"):
        images("svhn", tmp_path)


def test_svhn_label_10_becomes_0(tmp_path):
    (tmp_path / "svhn").mkdir()
    x = pixels(10, 32, 32, 3)
    for part in ("train", "test"):
        arrays = {"X": x.transpose(1, 2, 3, 0), "y": np.arange(1, 11)[:, None]}
        savemat(tmp_path / "svhn" / f"{part}_32x32.mat", arrays)
    found = images("svhn", tmp_path)
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.y_test, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])


def test_celeba_keeps_faces_with_one_hair_type(tmp_path):
    kinds = [["Bald"], ["Black_Hair"], ["Blond_Hair", "Gray_Hair"], [], ["Gray_Hair"], ["Bald"]]
    shades = [np.full((218, 178, 3), 40 * number, np.uint8) for number in range(1, 6)]
    folder = write_celeba(tmp_path, list(zip(kinds, [*shades, None], strict=True)))
    found = images("celeba", tmp_path)
    assert found.classes == ("black", "brown", "blond", "gray", "bald")
    np.testing.assert_array_equal(found.y, [4, 0, 3])
    assert found.x.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(found.x[:, 16, 16, 0], [40, 80, 200])
    assert found.x_test is None
    (folder / "000002.jpg").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"000002\.jpg is not a readable image"):
        images("celeba", tmp_path)


def test_digits_need_no_file():
    found = images("digits")
    assert found.x.shape == (1797, 8, 8, 1)
    assert (found.x.min(), found.x.max()) == (0, 255)
    assert len(found.fingerprint) == 64
    assert found.fingerprint == images("digits").fingerprint


def test_shrunk_images_are_block_means():
    x, y = pixels(3, 4, 6, 2), labels(3, 3)
    small = shrunk(Images("made", x, y, ("a", "b", "c"), x[:1], y[:1]), 2)
    assert (small.name, small.shape) == ("made_2x3", (2, 3, 2))
    assert small.x.dtype == small.x_test.dtype == np.uint8
    np.testing.assert_array_equal(small.x[1, 1, 2], np.round(x[1, 2:4, 4:6].mean((0, 1))))
    np.testing.assert_array_equal(small.x_test, small.x[:1])
    digits = images("digits")
    assert shrunk(digits, 1) is digits
    assert shrunk(digits, 4).x_test is None


@pytest.mark.parametrize("factor", [0, -2, 3])
def test_invalid_shrink_factor_is_refused(factor):
    with pytest.raises(InputError, match=f"shrink {factor}, expected a whole number that divides"):
        shrunk(images("digits"), factor)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "svhn", "celeba"])
def test_missing_files_are_named(name, tmp_path):
    with pytest.raises(DataUnavailable, match=f"{name}: .* does not contain .*; put it there"):
        images(name, tmp_path)


def test_damaged_file_and_unknown_name_are_refused(tmp_path):
    (tmp_path / "mnist").mkdir()
    whole = pixels(3, 28, 28)
    path = write_idx(tmp_path / "mnist" / "train-images-idx3-ubyte", whole, False)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataUnavailable, match=r"mnist: .*2351 bytes, its header says 2352"):
        images("mnist", tmp_path)
    path.write_bytes(b"<html>")
    with pytest.raises(DataUnavailable, match="does not begin like an idx file"):
        images("mnist", tmp_path)
    with pytest.raises(InputError, match="unknown image set 'mnits'; did you mean 'mnist'"):
        images("mnits")
    with pytest.raises(DataUnavailable, match="cifar10: its files are not downloaded"):
        images("cifar10")


def test_real_files_have_known_counts(data_home):
    counts = {
        "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "fashion_mnist": [6000] * 10,
        "cifar10": [4500, 2000, 1000, 800, 600, 500, 400, 250, 150, 80],
        "svhn": [50, 183, 113, 102, 92, 86, 59, 55, 68, 56],
    }
    assert set(counts) < set(IMAGE_SETS)
    for name, count in counts.items():
        np.testing.assert_array_equal(np.bincount(images(name, data_home).y), count)
