from pathlib import Path

import h5py
import numpy as np
import pytest

from sdd_bench.errors import WeightsError
from sdd_bench.io.keras import read_arrays
from sdd_bench.io.state_dicts import read_state_dict

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "model.hdf5", "w") as file:
        yield file


def test_layers_of_a_saved_model_are_found_without_the_optimisers_state(file):
    file["model_weights/conv2d_1/conv2d_1/kernel:0"] = KERNEL
    file["model_weights/conv2d_1/conv2d_1/bias:0"] = np.ones(3)
    file.create_group("model_weights/dropout_1")
    file["optimizer_weights/Adam/iterations:0"] = 7
    file.flush()
    found = read_arrays(file.filename)
    assert set(found) == {"conv2d_1/kernel", "conv2d_1/bias"}
    assert np.array_equal(found["conv2d_1/kernel"], KERNEL)


def test_saved_weights_and_layers_inside_a_model_have_the_same_names(file):
    file["model_1/conv2d_1/kernel:0"] = KERNEL
    file.flush()
    assert list(read_arrays(file.filename)) == ["conv2d_1/kernel"]


def test_two_layers_of_one_name_are_refused(file):
    file["model_1/conv2d_1/kernel:0"] = KERNEL
    file["model_2/conv2d_1/kernel:0"] = KERNEL
    file.flush()
    with pytest.raises(ValueError, match="two arrays are called conv2d_1/kernel"):
        read_arrays(file.filename)


def test_other_files_are_refused_in_the_words_of_the_others(tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    with pytest.raises(WeightsError, match="no readable checkpoint"):
        read_state_dict(tmp_path / "a.hdf5")
    (tmp_path / "b.h5").write_text("<html>quota exceeded</html>")
    with pytest.raises(WeightsError, match="is an HTML page"):
        read_state_dict(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w"):
        pass
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_state_dict(tmp_path / "c.h5")


def test_tensors_are_the_arrays(file):
    file["conv2d/kernel:0"] = KERNEL
    file.flush()
    assert np.array_equal(read_state_dict(Path(file.filename))["conv2d/kernel"].numpy(), KERNEL)
