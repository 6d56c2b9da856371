import os
import zipfile

import numpy as np
import pytest

from sdd_bench.errors import WeightsError
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.io.tensorlayer import ForeignObjectError, read_arrays

ARRAYS = [np.arange(12, dtype=np.float32).reshape(3, 4), np.ones(2, np.float32), np.array(2.5, np.float32)]
# What NumPy under Python 2 wrote of an array of one array of the float32 1.5, taken apart: names as of that time, the
# numbers' bytes as text.
PYTHON_2 = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR"
    b"(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n(lp1\n"
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR"
    b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\xc0?'\ntbatb."
)


def listed(arrays):
    made = np.empty(len(arrays), object)
    made[:] = arrays
    return made


def object_member(path, pickled):
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("params.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickled)
    return path


def test_named_arrays_lose_the_suffix_of_tensorflow(tmp_path):
    np.savez(tmp_path / "a.npz", **{"net/conv/kernel:0": ARRAYS[0], "net/conv/bias:0": np.asfortranarray(ARRAYS[0])})
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == ["net/conv/kernel", "net/conv/bias"]
    assert all(np.array_equal(array, ARRAYS[0]) for array in found.values())


def test_a_list_is_numbered(tmp_path):
    np.savez(tmp_path / "a.npz", params=listed(ARRAYS))
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == ["params.0", "params.1", "params.2"]
    assert all(np.array_equal(a, b) for a, b in zip(found.values(), ARRAYS, strict=True))


def test_a_list_of_python_2_is_read(tmp_path):
    assert read_arrays(object_member(tmp_path / "a.npz", PYTHON_2))["params.0"].tolist() == [1.5]


@pytest.mark.parametrize("foreign", [os.mkdir, np.frombuffer, print])
def test_a_list_that_would_call_something_is_refused_before_it_does(foreign, tmp_path):
    class Code:
        def __reduce__(self):
            return foreign, (str(tmp_path / "was run"),)

    np.savez(tmp_path / "a.npz", params=listed([ARRAYS[0], Code()]))
    with pytest.raises(ForeignObjectError, match=foreign.__name__):
        read_arrays(tmp_path / "a.npz")
    with pytest.raises(WeightsError, match=rf"would call \S*{foreign.__name__}\. Nothing of it was run"):
        read_state_dict(tmp_path / "a.npz")
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize("item", ["text", 3, np.array(["text"]), {"a": 1}])
def test_a_list_of_anything_but_floats_is_refused(item, tmp_path):
    np.savez(tmp_path / "a.npz", params=listed([ARRAYS[0], item]))
    with pytest.raises(WeightsError, match="no readable checkpoint"):
        read_state_dict(tmp_path / "a.npz")


def test_a_pickle_of_something_else_than_an_array_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="a list where an array was expected"):
        read_state_dict(object_member(tmp_path / "a.npz", b"(I1\nl."))
    with pytest.raises(WeightsError, match="no readable checkpoint"):
        read_state_dict(object_member(tmp_path / "a.npz", b"rubbish"))


def test_tensors_are_the_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", params=listed(ARRAYS))
    found = read_state_dict(tmp_path / "a.npz")
    assert [tensor.numpy().tolist() for tensor in found.values()] == [array.tolist() for array in ARRAYS]
