import sys

import pytest
import torch
from torch import nn

from sdd_bench.errors import PredictionError
from sdd_bench.models import memory
from sdd_bench.models.memory import HEADROOM, PICTURE_BYTES, bytes_per_pixel, free_memory, largest_tiles


def test_what_a_network_holds_at_once_is_counted_exactly():
    """Two tensors of 8 channels live while the second is made; the picture is not the network's."""
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    with torch.inference_mode():
        assert bytes_per_pixel(network, "cpu", 1) == 2 * 8 * 4


def test_operations_in_place_take_nothing_and_what_is_dropped_is_given_back():
    network = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)) for _ in range(6)))
    with torch.inference_mode():
        assert bytes_per_pixel(network, "cpu", 1) == 2 * 3 * 4


def test_bfloat16_takes_less():
    network = nn.Sequential(nn.Conv2d(3, 32, 1), nn.Conv2d(32, 32, 1))
    with torch.inference_mode():
        full = bytes_per_pixel(network, "cpu", 1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert bytes_per_pixel(network, "cpu", 1) < 0.6 * full


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_free_memory_is_that_of_the_machine_or_what_a_container_leaves(tmp_path, monkeypatch):
    available = free_memory("cpu")
    assert 1e7 < available < 1e14
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_CGROUPS", ((str(limit), str(used)),))
    limit.write_text("max\n")
    used.write_text("1000\n")
    assert free_memory("cpu") == pytest.approx(available, rel=0.5)
    limit.write_text("5000\n")
    assert free_memory("cpu") == 4000


def plan(per_pixel=100.0, free=10**9, largest=(1000, 1000), **changes):
    return largest_tiles(per_pixel, free, largest, **({"device": "cpu", "stride": 16, "reach": 20} | changes))


def test_pictures_that_fit_into_half_of_what_is_free_are_not_cut():
    needed = HEADROOM * 100 * 1008 * 1008 + PICTURE_BYTES * 1000 * 1000
    assert plan(free=int(2 * needed) + 2).size is None
    assert plan(free=int(2 * needed) - 2).size == (992, 992)


def test_tiles_fill_what_is_free_and_are_multiples_of_the_stride():
    tiles = plan(free=2 * (PICTURE_BYTES * 10**6 + int(HEADROOM * 100 * 300 * 300)))
    assert tiles.size == (288, 288)
    assert tiles.overlap == 32
    assert tiles.local


def test_a_given_amount_comes_before_what_is_free():
    assert plan(free=10**12, most=PICTURE_BYTES * 10**6 + HEADROOM * 100 * 300 * 300).size == (288, 288)


def test_where_nothing_can_be_measured_tiles_have_a_fixed_size():
    for unknown in ({"per_pixel": None}, {"free": None}):
        assert plan(**unknown).size == (512, 512)
        assert plan(**unknown, largest=(512, 500)).size is None
        assert plan(**unknown, reach=300, largest=(2000, 2000)).size == (624, 624)


def test_too_little_for_the_smallest_tile_is_an_error_before_any_work():
    with pytest.raises(PredictionError, match=r"smallest tiles of this network, 80 x 80, take about 1.0 GB"):
        plan(per_pixel=1e5, free=10**9)
