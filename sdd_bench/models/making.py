"""One picture through one method: read, deblurred, written, recorded. May be sent to worker processes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import PredictionError
from sdd_bench.io.atomic import write_bytes
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_image
from sdd_bench.models.outputs import map_file, picture_file, preview_file
from sdd_bench.models.prediction_inputs import Picture
from sdd_bench.models.prediction_record import PictureRecord

Image = NDArray[np.float32]
BitDepth = Literal["same", 8, 16]
PREVIEW_FOLDER = "preview"  # in that of maps


class Method(Protocol):
    """Whatever deblurs, or finds how blurred a picture is."""

    def make(self, image: Image, *, picture: bool, radius: bool) -> tuple[Image | None, Image | None]:
        """Of H x W x 3 in [0, 1]: the deblurred picture and H x W radius of blur in pixels, each if it is wanted."""


@dataclass(frozen=True)
class Classical:
    """A classical method, as a `Method`.

    Attributes:
        name: of `sdd_bench.models.classical`: a map, or a combination of one with a deconvolution.
        threads: to work in; the result does not depend on them.
    """

    name: str
    threads: int

    def make(self, image: Image, *, picture: bool, radius: bool) -> tuple[Image | None, Image | None]:
        """As `Method` says."""
        from sdd_bench.models import classical

        found = classical.defocus_map(self.name, image)
        restored = None
        if picture:
            deconvolution = classical.METHODS[self.name].deconvolution.name
            restored = classical.deconvolve_with(deconvolution, image, found, threads=self.threads)
        return restored, found if radius else None


@dataclass(frozen=True)
class Making:
    """What is made of each picture, and where it goes.

    Attributes:
        method: what deblurs.
        out: folder of pictures; None makes none.
        maps: folder of defocus maps; None makes none.
        bit_depth: bits per sample; "same" as the input's, 16 for floats.
        random: whether weights are random, which every file then says.
    """

    method: Method
    out: Path | None
    maps: Path | None
    bit_depth: BitDepth
    random: bool

    def __call__(self, picture: Picture) -> PictureRecord:
        """Make it.

        Raises:
            ImageError: the picture can't be read.
            PredictionError: the method can't do it; the message names the picture.
            OutputError: a file can't be written.
        """
        image = read_image(picture.path)
        clock = time.perf_counter()
        try:
            restored, radius = self.method.make(image, picture=self.out is not None, radius=self.maps is not None)
        except PredictionError as error:
            raise PredictionError(f"{picture.path.name}: {error}") from error
        seconds = time.perf_counter() - clock
        made = mapped = None
        if radius is not None and self.maps is not None:
            mapped = map_file(radius, random=self.random)
            write_bytes(self.maps / PREVIEW_FOLDER / f"{picture.stem}.png", preview_file(radius, random=self.random))
            write_bytes(self.maps / f"{picture.stem}.png", mapped)
        if restored is not None and self.out is not None:
            depth = self.bit_depth if self.bit_depth != "same" else 8 if picture.bit_depth == 8 else 16
            made = picture_file(restored, depth, random=self.random)
            write_bytes(self.out / f"{picture.stem}.png", made)
        return PictureRecord(
            stem=picture.stem,
            input_sha256=sha256(picture.path),
            size=(picture.size[1], picture.size[0]),
            file=None if made is None else f"{picture.stem}.png",
            sha256=None if made is None else hashlib.sha256(made).hexdigest(),
            map_sha256=None if mapped is None else hashlib.sha256(mapped).hexdigest(),
            seconds=round(seconds, 6),
        )
