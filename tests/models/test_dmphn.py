from pathlib import Path

import numpy as np
import pytest
import torch

from sdd_bench import models
from sdd_bench.errors import ModelError
from sdd_bench.io.images import read_image
from sdd_bench.metrics import psnr
from sdd_bench.models.dmphn import Decoder, Encoder

RELEASE = Path(__file__).parents[2].parent / "shared" / "data" / "dmphn"


def layers():
    """Names and shapes of ``models.py`` of the release, by file."""
    encoder, decoder = {}, {}
    number, given = 1, 3
    for width in (32, 64, 128):
        encoder[f"layer{number}"] = (width, given, 3, 3)
        for inner in (1, 2):
            encoder |= {f"layer{number + inner}.{place}": (width, width, 3, 3) for place in (0, 2)}
        number, given = number + 4, width
    for width in (128, 64, 32):
        for inner in (0, 1):
            decoder |= {f"layer{number + inner}.{place}": (width, width, 3, 3) for place in (0, 2)}
        decoder[f"layer{number + 3}"] = (3, 32, 3, 3) if width == 32 else (width, width // 2, 4, 4)
        number += 4
    return {"encoder": encoder, "decoder": decoder}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A released set with random weights, which it writes as PyTorch of that time did."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("DMPHN_1_2_4_8")
    for part, shapes in layers().items():
        for level in range(1, 5):
            state = {}
            for name, shape in shapes.items():
                biases = shape[1] if shape[2] == 4 else shape[0]
                state[f"{name}.weight"] = torch.randn(shape) * (0.3 / (shape[1] * shape[2] * shape[3])) ** 0.5
                state[f"{name}.bias"] = torch.randn(biases) * 0.05
            torch.save(state, folder / f"{part}_lv{level}.pkl", _use_new_zipfile_serialization=False)
    return folder


def test_the_hierarchy_is_that_of_the_release_patch_by_patch(folder):
    """The levels written out once more, with every patch cut by its place in the picture."""
    network = models.load_checkpoint("dmphn", folder)
    encode = {level: network.get_submodule(f"encoder_lv{level}") for level in (1, 2, 3, 4)}
    decode = {level: network.get_submodule(f"decoder_lv{level}") for level in (1, 2, 3, 4)}
    picture = torch.rand(2, 3, 32, 48)
    x = picture - 0.5
    tops, lefts = [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 32)], [slice(0, 24), slice(24, 48)]
    with torch.no_grad():
        fine = [[encode[4](x[:, :, row, column]) for column in lefts] for row in tops]
        fourth = [[torch.cat([fine[2 * r][c], fine[2 * r + 1][c]], 2) for c in (0, 1)] for r in (0, 1)]
        third = []
        for r in (0, 1):
            half = x[:, :, 16 * r : 16 * r + 16]
            quarters = [encode[3](half[..., lefts[c]] + decode[4](fourth[r][c])) for c in (0, 1)]
            third.append(torch.cat(quarters, 3) + torch.cat(fourth[r], 3))
        halves = [x[:, :, 16 * r : 16 * r + 16] + decode[3](third[r]) for r in (0, 1)]
        second = torch.cat([encode[2](half) for half in halves], 2) + torch.cat(third, 2)
        expected = decode[1](encode[1](x + decode[2](second)) + second) + 0.5
        torch.testing.assert_close(network(picture), expected)
    assert expected.std() > 0.05


def test_pictures_go_down_to_a_quarter_and_up_again():
    assert Encoder()(torch.rand(1, 3, 8, 12)).shape == (1, 128, 2, 3)
    assert Decoder()(torch.rand(1, 128, 2, 3)).shape == (1, 3, 8, 12)


def test_a_set_that_is_not_whole_or_not_this_one_is_refused(folder, tmp_path):
    for part in sorted(folder.glob("*.pkl"))[1:]:
        (tmp_path / part.name).symlink_to(part)
    with pytest.raises(ModelError, match=r"decoder_lv1\.layer13\.0\.weight is missing"):
        models.load_checkpoint("dmphn", tmp_path)
    (tmp_path / "decoder_lv1.pkl").symlink_to(folder / "encoder_lv1.pkl")
    with pytest.raises(ModelError, match=r"decoder_lv1\.\S+ is missing.* and \d+ more"):
        models.load_checkpoint("dmphn", tmp_path)


@pytest.mark.skipif(not RELEASE.is_dir(), reason="needs the released weights and results of ../shared/data/dmphn")
def test_released_weights_give_the_released_result():
    """In the middle columns, which a strip of the picture gives as the whole one: its cuts are at the same places.

    The release wrote its results with fractions cut off; what is rounded differs from them by 51.1 dB.
    """
    network = models.load_checkpoint("dmphn", RELEASE / "checkpoints")
    picture, result = (read_image(RELEASE / folder / "000001.png") for folder in ("samples", "results"))
    middle = picture.shape[1] // 2
    strip = torch.from_numpy(picture[:, middle - 128 : middle + 128]).permute(2, 0, 1)[None]
    with torch.no_grad():
        found = 255 * network(strip)[0, :, :, 96:-96].permute(1, 2, 0).clamp(0, 1).numpy()
    columns = result[:, middle - 32 : middle + 32]
    assert psnr((found.round() / 255).astype(np.float32), columns) >= 51
    assert psnr((np.floor(found) / 255).astype(np.float32), columns) >= 55
