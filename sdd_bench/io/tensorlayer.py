"""Parameters as TensorLayer 1 keeps them: an archive of named arrays, or of one list of arrays, which is a pickle."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

# All that the pickle of a list of arrays calls, by either name of the module, whose parts moved in NumPy 2.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
}


class ForeignObjectError(Exception):
    """A pickle would call something else than what arrays are made with; nothing of it was called."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a ``.npz`` file without running code that it may hold.

    Args:
        path: a file of ``tl.files.save_npz_dict`` or ``tl.files.save_npz``.

    Returns:
        The arrays by name, without the ``:0`` of TensorFlow; those of a list are named ``params.0``, ``params.1``, ...

    Raises:
        ForeignObjectError: the file holds more than arrays.
        ValueError: it is no such file; other errors of a damaged archive or pickle pass as they are.
    """
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            name = member.removesuffix(".npy").removesuffix(":0")
            with archive.open(member) as file:
                array = _read_array(file)
            if array.dtype != object:
                arrays[name] = array
                continue
            for index, item in enumerate(array.ravel()):
                if not isinstance(item, np.ndarray) or item.dtype.kind != "f":
                    raise ValueError(f"{name} holds a {type(item).__name__} where an array of floats was expected")
                arrays[f"{name}.{index}"] = item
    return arrays


def _read_array(file: IO[bytes]) -> NDArray[Any]:
    version = npy_format.read_magic(file)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject:
        # Python 2 wrote text where bytes are meant; Latin-1 keeps each of them.
        listed = _ArraysOnly(file, encoding="latin1").load()
        if not isinstance(listed, np.ndarray):
            raise ValueError(f"a {type(listed).__name__} where an array was expected")
        return listed
    values: NDArray[Any] = np.frombuffer(file.read(), dtype)
    return values.reshape(shape[::-1]).T if fortran_order else values.reshape(shape)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ForeignObjectError(f"{module}.{name}")
        return _ALLOWED[module, name]
