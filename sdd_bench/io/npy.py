"""NumPy files: one picture as an array, alone (.npy) or in an archive (.npz); pickled objects are never loaded."""

from __future__ import annotations

import ast
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import Format, ImageInfo, check_size, damaged, file_size, truncated
from sdd_bench.io.samples import check_unit_range

# numpy.lib.format: version to layout of the header's length. Version 3 is for names that a picture doesn't have.
_MAGIC = b"\x93NUMPY"
_LENGTH_LAYOUTS = {b"\x01\x00": "<H", b"\x02\x00": "<I"}
_LONGEST_HEADER = 10_000  # as numpy.load: the header is Python text, and parsing a longer one might exhaust the memory
_DTYPES = ("|u1", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8")
# What `zipfile` raises on damaged or unusual archives: bad structure, encryption, unknown compression, broken data.
_ZIP_ERRORS = (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True)
class NpyHeader:
    """What the header of an array says.

    Attributes:
        info: the picture.
        dtype: of the stored numbers.
        fortran_order: whether the first index varies fastest.
        start: offset of the first number in the array's file.
    """

    info: ImageInfo
    dtype: np.dtype[Any]
    fortran_order: bool
    start: int


def read_header(file: BinaryIO) -> NpyHeader:
    """Read the header of a .npy file.

    Args:
        file: open, with the NumPy signature.

    Raises:
        ImageError: truncated, damaged, too large, or no picture.
    """
    return _read_header(file, file_size(file), "npy")


def decode(data: bytes, header: NpyHeader) -> NDArray[Any]:
    """Take the pixels from the bytes of a .npy file.

    Args:
        data: the file.
        header: what `read_header` made of it.

    Returns:
        H x W x 3, uint8, uint16 or float32.

    Raises:
        ImageError: some float isn't in [0, 1].
    """
    shape = (header.info.height, header.info.width, 3)
    stored: NDArray[Any] = np.frombuffer(data, header.dtype, offset=header.start)
    stored = stored.reshape(shape[::-1]).T if header.fortran_order else stored.reshape(shape)
    if header.dtype.kind == "u":
        return stored.astype(header.dtype.newbyteorder("="), order="C")
    check_unit_range(stored)
    return stored.astype(np.float32, order="C")


def read_npz_header(file: BinaryIO) -> NpyHeader:
    """Read the header of the only array in a .npz file.

    Args:
        file: open, with the ZIP signature.

    Raises:
        ImageError: truncated, damaged, too large, no picture, or not exactly one array.
    """
    with _only_array(file) as (archive, member), archive.open(member) as array:
        return _read_header(array, member.file_size, "npz")


def decode_npz(data: bytes, header: NpyHeader) -> NDArray[Any]:
    """Take the pixels of the only array in a .npz file.

    Args:
        data: the file.
        header: what `read_npz_header` made of it.

    Returns:
        H x W x 3, uint8, uint16 or float32.

    Raises:
        ImageError: the data is damaged, or some float isn't in [0, 1].
    """
    with _only_array(io.BytesIO(data)) as (archive, member):
        content = archive.read(member)
    return decode(content, header)


def encode(image: NDArray[np.float32]) -> bytes:
    """Encode an image, H x W x 3, as a .npy file: the same numbers always give the same bytes."""
    file = io.BytesIO()
    npy_format.write_array(file, np.ascontiguousarray(image), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _read_header(file: IO[bytes], size: int, name: Format) -> NpyHeader:
    if name == "npy":
        file.seek(0)
    lead = file.read(8)
    length_layout = _LENGTH_LAYOUTS.get(lead[6:])
    if lead[:6] != _MAGIC or length_layout is None:
        raise damaged(f"its NumPy header begins with {lead.hex(' ')}")
    length_bytes = file.read(struct.calcsize(length_layout))
    if len(length_bytes) < struct.calcsize(length_layout):
        raise truncated("its NumPy header")
    (length,) = struct.unpack(length_layout, length_bytes)
    if length > _LONGEST_HEADER:
        raise damaged(f"its NumPy header claims {length:,} bytes")
    descr, fortran_order, shape = _fields(file.read(length))
    if descr not in _DTYPES:
        raise ImageError(f"holds numbers of type {descr}. Save float32 in [0, 1], uint8 or uint16.")
    dtype = np.dtype(descr)
    if len(shape) != 3 or shape[2] != 3:
        raise ImageError(f"holds an array of shape {shape}, not H x W x 3.{_shape_advice(shape)}")
    height, width, _ = shape
    check_size(width, height)
    start, needed = file.tell(), height * width * 3 * dtype.itemsize
    if size - start < needed:
        raise truncated(f"its numbers, of which {size - start:,} of {needed:,} bytes are there")
    if size - start > needed:
        raise damaged(f"{size - start - needed:,} bytes follow its numbers")
    depth: Literal[8, 16, 32] = 32 if dtype.kind == "f" else 8 if dtype.itemsize == 1 else 16
    return NpyHeader(ImageInfo(width, height, depth, name), dtype, fortran_order, start)


def _fields(header: bytes) -> tuple[object, bool, tuple[int, ...]]:
    try:
        fields = ast.literal_eval(header.decode("latin1"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:  # all that it documents
        raise damaged(f"its NumPy header is wrong ({error})") from error
    if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise damaged("its NumPy header has the wrong fields")
    shape = fields["shape"]
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise damaged("its NumPy header has a wrong shape")
    return fields["descr"], fields["fortran_order"] is True, shape


def _shape_advice(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] == 3:
        return " It looks like channels first: save array.transpose(1, 2, 0)."
    if len(shape) == 4 and shape[0] == 1:
        return " It looks like a batch of one: save its only picture."
    return ""


@contextmanager
def _only_array(file: BinaryIO) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) != 1 or not members[0].filename.endswith(".npy"):
                names = [member.filename for member in members[:5]]
                raise ImageError(f"holds {len(members)} entries ({', '.join(names)}), not one array. Save one picture.")
            yield archive, members[0]
    except _ZIP_ERRORS as error:
        raise damaged(f"its archive can't be read ({error})") from error
