from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdd_bench.datasets.captures import SCENE_GAP, confirmation_code
from sdd_bench.datasets.exif import Capture, read_capture
from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.prepare import prepare
from sdd_bench.errors import ProblemsError

STACK = Path(__file__).parents[2].parent / "shared" / "data" / "focal_stack"
START = datetime(2026, 5, 4, 12, 0, 0)  # noqa: DTZ001  # a camera's clock has no zone
Shoot = Callable[..., Path]


@pytest.fixture
def shoot(tmp_path: Path, picture: Callable[..., np.ndarray]) -> Shoot:
    """Write a photograph with EXIF data, taken some seconds after the first."""

    def take(
        name: str,
        seconds: float | None,
        f_number: float | None = None,
        *,
        distance: Any = None,
        look: int = 1,
        camera: str = "A",
        xmp: bytes = b"",
    ) -> Path:
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[272] = camera
        details = exif.get_ifd(0x8769)
        if seconds is not None:
            time = START + timedelta(seconds=seconds)
            details[36867] = time.strftime("%Y:%m:%d %H:%M:%S")
            details[37521] = f"{time.microsecond:06d}"
        if f_number is not None:
            details[33437] = f_number
        if distance is not None:
            details[37382] = distance
        Image.fromarray(picture(look)).save(path, exif=exif, **({"xmp": xmp} if xmp else {}), quality=95)
        return path

    return take


def problems(raw: Path) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        find_pairs(raw, "captures")
    return caught.value.problems


def pairs(raw: Path) -> dict[str, tuple[str, str, str]]:
    name, found = find_pairs(raw)
    assert name == "captures"
    assert found.inferred
    return {pair.stem: (pair.sources["blur"], pair.sources["gt"], pair.scene) for pair in found.pairs}


def test_what_a_camera_notes_is_read(shoot: Shoot) -> None:
    path = shoot("a.jpg", 1.25, 2.8, distance=1.5, camera="Model")
    assert read_capture(path) == Capture(
        time=START + timedelta(seconds=1.25), f_number=2.8, focus_distance=1.5, camera="Model"
    )


def test_the_focus_distance_of_lightroom_is_read_too(shoot: Shoot) -> None:
    noted = b'<rdf:Description aux:ApproximateFocusDistance="394/100"/>'
    assert read_capture(shoot("a.jpg", 0, xmp=noted)).focus_distance == 3.94
    far = b"<aux:ApproximateFocusDistance>4294967295/1</aux:ApproximateFocusDistance>"
    assert read_capture(shoot("b.jpg", 0, xmp=far)).focus_distance == math.inf


def test_16_bit_tiffs_are_read_too(tmp_path: Path, picture: Callable[..., np.ndarray]) -> None:
    import tifffile

    path = tmp_path / "a.tif"
    tags = [(306, "s", 0, "2026:05:04 12:00:00", True), (33437, "2I", 1, (28, 10), True)]
    tifffile.imwrite(path, picture(1, bit_depth=16), photometric="rgb", extratags=tags, metadata=None)
    assert read_capture(path) == Capture(time=START, f_number=2.8)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"])
def test_damaged_files_tell_nothing(tmp_path: Path, content: bytes) -> None:
    for name in ("a.jpg", "a.tif", "a.png"):
        (tmp_path / name).write_bytes(content)
        assert read_capture(tmp_path / name) == Capture()


def test_the_exposure_value_is_that_of_the_sunny_16_rule() -> None:
    # f/16 at 1/100 s and ISO 100 is the exposure for sunlight: EV 14.6.
    assert Capture(f_number=16, exposure_time=0.01, iso=100).exposure_value == pytest.approx(14.64, abs=0.01)
    assert Capture(f_number=16, exposure_time=0.01, iso=400).exposure_value == pytest.approx(12.64, abs=0.01)
    assert Capture(f_number=16, iso=400).exposure_value is None


def test_the_smallest_aperture_is_the_sharp_one_whatever_comes_first(shoot: Shoot) -> None:
    shoot("DSC1.jpg", 0, 2.8)
    shoot("DSC2.jpg", 9, 16)
    shoot("DSC3.jpg", 100, 22)
    raw = shoot("DSC4.jpg", 105.5, 4).parent
    assert pairs(raw) == {"DSC1": ("DSC1.jpg", "DSC2.jpg", "DSC2"), "DSC4": ("DSC4.jpg", "DSC3.jpg", "DSC3")}
    assert [pair.evidence for pair in find_pairs(raw)[1].pairs] == [
        "9 s apart; sharp at f/16, the others from f/2.8",
        "5.5 s apart; sharp at f/22, the others from f/4",
    ]


def test_with_one_aperture_the_picture_with_the_most_detail_is_the_sharp_one(shoot: Shoot) -> None:
    shoot("near.jpg", 0, 2, distance=1, look=0)
    shoot("far.jpg", 5, 2, distance=4, look=0)
    raw = shoot("right.jpg", 8, 2, distance=2, look=1).parent
    assert {stem: sharp for stem, (_, sharp, _) in pairs(raw).items()} == {"near": "right.jpg", "far": "right.jpg"}
    assert "same aperture, sharp has the most detail of 3, focus at 2 m" in find_pairs(raw)[1].pairs[0].evidence


def test_photographs_of_two_cameras_are_two_scenes(shoot: Shoot) -> None:
    for camera, seconds in (("A", 0), ("B", 1)):
        shoot(f"{camera}1.jpg", seconds, 2, camera=camera)
        shoot(f"{camera}2.jpg", seconds + 2, 16, camera=camera)
    raw = shoot("A3.jpg", 4, 2.2, camera="A").parent
    assert {stem: sharp for stem, (_, sharp, _) in pairs(raw).items()} == {
        "A1": "A2.jpg",
        "A3": "A2.jpg",
        "B1": "B2.jpg",
    }


def test_names_that_a_camera_uses_again_are_told_apart_by_their_folders(shoot: Shoot) -> None:
    shoot("100CANON/IMG_1.jpg", 0, 2)
    shoot("100CANON/IMG_2.jpg", 5, 16)
    shoot("101CANON/IMG_1.jpg", 500, 2)
    raw = shoot("101CANON/IMG_2.jpg", 505, 16).parent.parent
    assert set(pairs(raw)) == {"100CANON_IMG_1", "101CANON_IMG_1"}


def test_all_that_can_not_be_paired_is_named(shoot: Shoot) -> None:
    shoot("timeless.jpg", None)
    shoot("alone.jpg", 0, 2)
    shoot("two_a.jpg", 100, 16)
    shoot("two_b.jpg", 104, 16.2)
    shoot("two_c.jpg", 107, 2)
    shoot("some_a.jpg", 200, 2)
    shoot("some_b.jpg", 204)
    shoot("still_a.jpg", 300, 2, distance=3)
    raw = shoot("still_b.jpg", 304, 2, distance=3).parent
    found = problems(raw)
    assert len(found) == 5
    for name, reason in (
        ("timeless", "no capture time"),
        ("alone", f"no other photograph within {SCENE_GAP:g} s"),
        ("two_a", "several with the smallest aperture (two_a.jpg, two_b.jpg)"),
        ("some_a", "only some state an aperture"),
        ("still_a", "same aperture and same focus distance"),
    ):
        assert any(line.startswith(f"{name}.jpg") and reason in line for line in found)


def test_a_guess_is_prepared_only_with_the_code_of_its_table(shoot: Shoot, tmp_path: Path) -> None:
    shoot("a.jpg", 0, 2, look=0)
    raw = shoot("b.jpg", 5, 16, look=1).parent
    options: dict[str, Any] = {"patch_size": None, "progress": False}
    with pytest.raises(ProblemsError, match=r"need your word: .* --accept-pairs;"):
        prepare(raw, tmp_path / "set", "as-is", **options)
    code = confirmation_code(find_pairs(raw)[1].pairs)
    assert [pair.stem for pair in prepare(raw, tmp_path / "set", "as-is", accept_pairs=code, **options).pairs] == ["a"]
    shoot("c.jpg", 9, 2.2, look=0)
    with pytest.raises(ProblemsError, match=f"'{code}' is the code of another table"):
        prepare(raw, tmp_path / "other", "as-is", accept_pairs=code, **options)


def test_other_layouts_need_no_confirmation_and_go_before_captures(shoot: Shoot) -> None:
    shoot("a_blur.jpg", 0, 2)
    name, found = find_pairs(shoot("a_sharp.jpg", 5, 16).parent)
    assert (name, found.inferred) == ("suffix", False)


@pytest.mark.skipif(not STACK.is_dir(), reason="needs the real photographs of ../shared/data/focal_stack")
def test_a_real_focal_stack_is_one_scene_around_its_sharpest_photograph() -> None:
    # Its EXIF data holds times 3 to 10 s apart and one aperture, f/1.8, but no focus distance.
    found = pairs(STACK)
    assert len(found) == 9
    assert len({(sharp, scene) for _, sharp, scene in found.values()}) == 1
