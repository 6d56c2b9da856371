"""Packs: many pictures of one size in one HDF5 file, for random access.

| in the file | |
|---|---|
| ``blur``, ``gt``: a dataset per kind | N x H x W x 3, uint8 or uint16; a chunk per picture, not compressed |
| ``stem``, ``index`` | N: what each picture is cut from (UTF-8) and its place there |
| attributes | ``schema_version``, and whatever the writer knows about the file |

HDF5's own lossless filters make 8-bit photographs 14 to 30 % smaller and reading them 5 to 9 times slower, not much
faster than PNG files of half that size (docs/studies/patch_throughput.md); so none is used. Then every picture is a
run of bytes at a known place, and reading it is an ordinary read: no library state and no open file that a fork, a
thread or pickling could disturb.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import atomic_path

SCHEMA_VERSION = 1

Samples = NDArray[np.uint8] | NDArray[np.uint16]

_AGAIN = "Prepare the dataset again with --pack."


@dataclass(frozen=True, eq=False)
class Pack:
    """An existing pack; it holds no open file, so it may be used after a fork, by many threads, and sent to processes.

    Attributes:
        path: the file.
        attributes: what its writer said about it.
        stems: what each picture is cut from.
        indices: the place of each there.
        shape: (H, W, 3) of every picture.
        dtype: uint8 or uint16.
    """

    path: Path
    attributes: dict[str, Any]
    stems: tuple[str, ...]
    indices: tuple[int, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    _offsets: dict[str, NDArray[np.int64]] = field(repr=False)
    _stamp: tuple[int, int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.stems)

    def read(self, number: int) -> dict[str, Samples]:
        """Read one picture of every kind.

        Args:
            number: 0 to the number of pictures less one.

        Returns:
            H x W x 3 RGB by kind, uint8 or uint16.

        Raises:
            DatasetError: the file is gone, or was changed since the pack was opened.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                if _stamp(file.fileno()) != self._stamp:
                    raise DatasetError(f"{self.path}: changed since it was opened. Open the dataset again.")
                return {kind: self._read(file, int(places[number])) for kind, places in self._offsets.items()}
        except OSError as error:
            raise DatasetError(f"{self.path}: can't be read: {error.strerror or error}.") from error

    def _read(self, file: Any, offset: int) -> Samples:
        pixels = np.empty(self.shape, self.dtype)
        rest = pixels.reshape(-1).view(np.uint8).data
        file.seek(offset)
        while rest:  # one call may read less than it is asked for
            count = file.readinto(rest)
            if not count:
                raise DatasetError(f"{self.path}: ends too early; it is damaged. {_AGAIN}")
            rest = rest[count:]
        return pixels


def write_pack(
    path: Path,
    patches: Iterable[Mapping[str, Samples]],
    *,
    stems: Sequence[str],
    indices: Sequence[int],
    attributes: Mapping[str, str],
) -> None:
    """Write a pack, whole or not at all; the same content gives the same bytes.

    Args:
        path: the file.
        patches: pictures by kind, all of the same kinds, size and type; one at a time is held in memory.
        stems: what each picture is cut from, at least one.
        indices: the place of each there.
        attributes: what is to be known about the file.

    Raises:
        DatasetError: the pictures are not alike.
        OutputError: the file can't be written.
    """
    import h5py

    with atomic_path(path) as temporary, _Sink(temporary) as sink:
        with h5py.File(sink, "w") as file:
            for name, value in {**attributes, "schema_version": SCHEMA_VERSION}.items():
                file.attrs[name] = value
            # Text of fixed length: other text lies in a heap, where its order is HDF5's own matter.
            text = h5py.string_dtype("utf-8", max(len(stem.encode()) for stem in stems))
            file.create_dataset("stem", data=np.array([stem.encode() for stem in stems], text), track_times=False)
            file.create_dataset("index", data=np.array(indices, "<i4"), track_times=False)
            for number, pictures in enumerate(patches):
                for kind, pixels in pictures.items():
                    _store(file, kind, number, len(stems), pixels, f"{path}: {stems[number]}")
                sink.check()
        sink.check()


def _store(file: Any, kind: str, number: int, count: int, pixels: Samples, name: str) -> None:
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    if number == 0:
        file.create_dataset(
            kind, shape=(count, *little.shape), dtype=little.dtype, chunks=(1, *little.shape), track_times=False
        )
    stored = file[kind]
    if (stored.shape[1:], stored.dtype) != (little.shape, little.dtype):
        raise DatasetError(
            f"{name}: {kind} is {' x '.join(map(str, little.shape))} of {little.dtype}, the first patch is "
            f"{' x '.join(map(str, stored.shape[1:]))} of {stored.dtype}; the patches of a pack must be alike."
        )
    stored.id.write_direct_chunk((number, 0, 0, 0), little.data)


def open_pack(path: Path, kinds: Sequence[str]) -> Pack:
    """Open a pack.

    Args:
        path: the file.
        kinds: the pictures that it must hold.

    Raises:
        DatasetError: it can't be read, or isn't laid out as `write_pack` does.
    """
    import h5py

    if not path.is_file():
        raise DatasetError(f"{path}: no such file. {_AGAIN}")
    try:
        with path.open("rb") as opened:
            stamp = _stamp(opened.fileno())
        with h5py.File(path, "r") as file:
            version = file.attrs.get("schema_version")
            if version != SCHEMA_VERSION:
                raise DatasetError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}. {_AGAIN}")
            stems = tuple(file["stem"].asstr()[:].tolist())
            shape, dtype = file[kinds[0]].shape, file[kinds[0]].dtype
            offsets = {kind: _chunk_offsets(path, kind, file[kind], (len(stems), *shape[1:]), dtype) for kind in kinds}
            return Pack(
                path=path.resolve(),
                attributes=dict(file.attrs),
                stems=stems,
                indices=tuple(file["index"][:].tolist()),
                shape=shape[1:],
                dtype=dtype,
                _offsets=offsets,
                _stamp=stamp,
            )
    except (OSError, KeyError, RuntimeError, TypeError) as error:  # what h5py raises for a damaged file
        raise DatasetError(f"{path}: damaged, or no pack: {error}. {_AGAIN}") from error


def _chunk_offsets(
    path: Path, kind: str, stored: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[np.int64]:
    offsets = np.full(shape[0], -1, np.int64)
    sizes = np.zeros(shape[0], np.int64)
    laid_out = (stored.shape, stored.dtype, stored.chunks) == (shape, dtype, (1, *shape[1:]))
    if laid_out and stored.id.get_create_plist().get_nfilters() == 0:

        def note(chunk: Any) -> None:
            offsets[chunk.chunk_offset[0]], sizes[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size

        stored.id.chunk_iter(note)
    if (offsets < 0).any() or (sizes != np.prod(shape[1:]) * dtype.itemsize).any():
        raise DatasetError(
            f"{path}: {kind} is not stored as one uncompressed chunk per patch; it is damaged or was packed anew by "
            f"another program. {_AGAIN}"
        )
    return offsets


class _Sink(io.FileIO):
    """The file that HDF5 writes to; a failed write is raised by `check`, after HDF5 is done, which never sees it.

    HDF5 crashes the process when a write fails while it closes a file, as on a full disk.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._failed: OSError | None = None

    def check(self) -> None:
        if self._failed is not None:
            raise OSError(self._failed.errno, self._failed.strerror, self.name) from self._failed

    def write(self, data: Any, /) -> int:
        rest = memoryview(data).cast("B")
        count = len(rest)
        try:
            while rest and self._failed is None:
                rest = rest[super().write(rest) or 0 :]
        except OSError as error:
            self._failed = error
        return count

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._failed = self._failed or error
            return size or 0


def _stamp(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
