import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sdd_bench.errors import PredictionError
from sdd_bench.models.padding import round_up
from sdd_bench.models.tiling import Tiles, plan_tiles, run_tiled, smallest_side


class Local(nn.Module):
    """Convolutions, pooling by the stride, convolutions, upsampling: its reach is known from its layers."""

    def __init__(self, radius, stride, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            kernel = 2 * radius + 1
            self.before = nn.Conv2d(3, 4, kernel, padding=radius)
            self.below = nn.Conv2d(4, 4, kernel, padding=radius)
            self.after = nn.Conv2d(4, 3, kernel, padding=radius)
        self.stride = stride
        # One radius before, one at each step of the stride, one after; and where in its cell a pixel lies.
        self.reach = 2 * radius + stride * radius + stride - 1

    def forward(self, x):
        cells = nn.functional.avg_pool2d(torch.relu(self.before(x)), self.stride)
        return self.after(nn.functional.interpolate(torch.relu(self.below(cells)), scale_factor=self.stride))


@settings(max_examples=40)
@given(
    *(st.integers(1, 90), st.integers(1, 90)),
    *(st.integers(0, 2), st.sampled_from([1, 2, 3, 4, 8]), st.integers(0, 20), st.integers(0, 99)),
)
def test_tiles_of_a_local_network_give_what_it_gives_untiled(height, width, radius, stride, extra, seed):
    network = Local(radius, stride, seed).eval()
    picture = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))
    tiles = plan_tiles(smallest_side(stride, network.reach) + extra, stride, network.reach)
    with torch.inference_mode():
        whole = run_tiled(network, picture, plan_tiles(None, stride, network.reach))
        tiled = run_tiled(network, picture, tiles)
    assert whole.shape == tiled.shape == picture.shape
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-6)


def test_a_margin_smaller_than_the_reach_shows():
    network = Local(2, 4, 0).eval()
    picture = torch.rand((1, 3, 96, 96), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = run_tiled(network, picture, plan_tiles(None, 4, network.reach))
        tiled = run_tiled(network, picture, Tiles((32, 32), 4, 4))
    assert (tiled - whole).abs().max() > 1e-3


@given(*(st.integers(1, 120), st.integers(1, 120), st.sampled_from([1, 2, 8]), st.integers(0, 40)))
def test_blended_tiles_of_a_network_that_moves_nothing_give_the_picture_back(height, width, stride, extra):
    tiles = plan_tiles(smallest_side(stride, None) + extra, stride, None)
    picture = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(height))
    assert torch.allclose(run_tiled(lambda part: part, picture, tiles), picture, rtol=0, atol=1e-6)


def test_blending_leaves_no_step_where_tiles_disagree():
    """A network whose brightness depends on the tile: joined hard, its largest step is a whole difference."""
    values = iter(range(100))
    picture = torch.zeros((1, 3, 8, 200))
    joined = run_tiled(lambda part: torch.full_like(part, next(values)), picture, plan_tiles(64, 8, None))
    row = joined[0, 0, 0]
    assert row.max() - row.min() > 2
    assert (row[1:] - row[:-1]).abs().max() < 0.15


@given(*(st.integers(1, 200), st.integers(1, 200), st.sampled_from([1, 4, 16]), st.none() | st.integers(0, 20)))
def test_the_network_sees_tiles_of_the_planned_size_at_places_that_are_multiples_of_its_stride(
    height, width, stride, reach
):
    seen = []
    places = torch.arange(round_up(height, stride) * round_up(width, stride), dtype=torch.float64)
    picture = places.reshape(1, 1, round_up(height, stride), -1)[:, :, :height, :width]
    tiles = plan_tiles(smallest_side(stride, reach) + 2 * stride, stride, reach)

    def look(part):
        seen.append((tuple(part.shape[-2:]), int(part[0, 0, 0, 0])))
        return part.float()

    run_tiled(look, picture, tiles)
    for (rows, columns), first in seen:
        assert rows % stride == columns % stride == 0
        assert rows <= tiles.size[0]
        assert columns <= tiles.size[1]
        assert first // round_up(width, stride) % stride == first % round_up(width, stride) % stride == 0
    assert tiles.covers(height, width) == (len(seen) == 1)


def test_a_fixed_size_is_kept_whatever_the_picture():
    sizes = set()

    def look(part):
        sizes.add(tuple(part.shape[-2:]))
        return part

    tiles = Tiles((24, 32), 6, 1, local=False, fixed=True)
    for height, width in ((10, 10), (24, 32), (25, 100), (77, 33)):
        picture = torch.rand((1, 3, height, width))
        assert torch.allclose(run_tiled(look, picture, tiles), picture, atol=1e-6)
    assert sizes == {(24, 32)}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 2)])
def test_a_picture_smaller_than_the_stride_is_reflected_back_and_forth(height, width):
    picture = torch.rand((1, 3, height, width))
    seen = []
    result = run_tiled(lambda part: seen.append(part) or part, picture, plan_tiles(None, 16, 5))
    assert torch.equal(result, picture)
    (part,) = seen
    assert part.shape[-2:] == (round_up(height, 16), round_up(width, 16))
    assert set(part.flatten().tolist()) == set(picture.flatten().tolist())


def test_a_tile_that_is_nothing_but_overlap_is_refused_with_the_smallest_that_is_not():
    with pytest.raises(PredictionError, match=r"64 x 64 are too small.*reaches 90 pixels. Use --tile 208 or more"):
        plan_tiles(64, 16, 90)
    assert plan_tiles(208, 16, 90).size == (208, 208)
    with pytest.raises(PredictionError, match="--tile 16 or more"):
        plan_tiles(8, 8, None)


def test_a_result_of_another_size_is_an_error_that_names_the_stride():
    with pytest.raises(PredictionError, match="attribute `stride`"):
        run_tiled(lambda part: part[:, :, :-1], torch.rand((1, 3, 8, 8)), plan_tiles(None, 1, 0))
