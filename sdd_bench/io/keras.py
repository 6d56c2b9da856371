"""Parameters as Keras 1 and 2 keep them in HDF5, alone (``save_weights``) or with the whole model (``save``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the weights of the layers; the optimiser's state and the model's description are left alone.

    Args:
        path: an HDF5 file of Keras.

    Returns:
        The arrays by ``layer/weight``, for example ``conv2d_1/kernel``, without the ``:0`` of TensorFlow and without
        the names of models that the layer is in.

    Raises:
        OSError: no HDF5 file, or a damaged one.
        ValueError: two arrays have one name.
    """
    import h5py

    arrays: dict[str, NDArray[Any]] = {}

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            short = "/".join(name.removesuffix(":0").split("/")[-2:])
            if short in arrays:
                raise ValueError(f"two arrays are called {short}")
            arrays[short] = item[()]

    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        group.visititems(take)
    return arrays
