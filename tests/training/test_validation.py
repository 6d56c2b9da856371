import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sdd_bench.models.tiling import plan_tiles, run_tiled
from sdd_bench.training.validation import deblur


class Cells(nn.Module):
    """Replaces every cell by its mean; refuses pictures that are not made of whole cells."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, picture):
        assert picture.shape[2] % self.stride == picture.shape[3] % self.stride == 0
        means = nn.functional.avg_pool2d(picture, self.stride)
        return nn.functional.interpolate(means, scale_factor=self.stride)


@given(*(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 3, 8, 64])))
def test_a_picture_of_any_size_is_deblurred_as_predict_does_it(height, width, stride):
    picture = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(height))
    network = Cells(stride)
    expected = run_tiled(network, picture, plan_tiles(None, stride, None))
    assert torch.equal(deblur(network, picture), expected)


@pytest.mark.parametrize("sides", [(32, 32), (20, 100)])
def test_a_batch_of_pictures_below_half_the_stride_is_deblurred(sides):
    pictures = torch.rand((2, 3, *sides), generator=torch.Generator().manual_seed(0))
    found = deblur(Cells(64), pictures)
    assert torch.equal(found, torch.cat([deblur(Cells(64), picture[None]) for picture in pictures]))


def test_of_several_stages_the_first_is_the_result():
    picture = torch.rand((1, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    network = Cells(1)
    assert torch.equal(deblur(lambda x: (network(x), x * 0), picture), picture)
