from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.io.images import write_image

MakePicture = Callable[..., np.ndarray]
MakeRaw = Callable[..., Path]
Touch = Callable[..., Path]


def _picture(seed: int, width: int = 96, height: int = 64, bit_depth: int = 8) -> np.ndarray:
    """Smooth colour noise with some detail everywhere; H x W x 3 of uint8 or uint16.

    Seed 10 k is the blurry image of scene k, 10 k + 1 its sharp one, further ones differ from that in brightness: what
    `prepare` checks is in order.
    """
    scene, place = divmod(seed, 10)
    rng = np.random.default_rng(scene)
    coarse = rng.random((height // 8 + 1, width // 8 + 1, 3), dtype=np.float32)
    fine = rng.normal(0, 0.05, (height, width, 3)).astype(np.float32)
    image = np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + fine, 0, 1)
    image = cv2.GaussianBlur(image, (0, 0), 1) if place == 0 else image * (1 - 0.02 * (place - 1))
    return np.rint(image * (2**bit_depth - 1)).astype(np.uint8 if bit_depth == 8 else np.uint16)


@pytest.fixture
def picture() -> MakePicture:
    return _picture


@pytest.fixture
def make_raw(tmp_path: Path) -> MakeRaw:
    def make(
        stems: Sequence[str] = ("a", "b"),
        folder: str = "raw",
        splits: Sequence[str] = ("train", "test"),
        kinds: Sequence[str] = ("blur", "gt"),
        width: int = 96,
        height: int = 64,
        bit_depth: int = 8,
        suffix: str = ".png",
    ) -> Path:
        """A raw folder of layout sdd with the stems dealt out to the splits in turn (a split "" is no folder)."""
        raw = tmp_path / folder
        for number, stem in enumerate(stems):
            for place, kind in enumerate(kinds):
                path = raw / splits[number % len(splits)] / kind / f"{stem}{suffix}"
                write_image(path, _picture(10 * number + place, width, height, bit_depth), bit_depth)  # type: ignore[arg-type]  # 8 or 16
        return raw

    return make


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Make empty files: layouts look at names only."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "raw" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "raw"

    return make
