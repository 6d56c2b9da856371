"""Frozen protocols keep their hashes and their numbers.

A test that fails here says: results made so far are no longer comparable with new ones. Undo the change, or leave the
protocol as it is and make a new version beside it.
"""

from typing import NamedTuple

import numpy as np
import pytest

from sdd_bench.alignment import estimate_similarity
from sdd_bench.evaluation import references
from sdd_bench.evaluation.evaluator import score_image
from sdd_bench.evaluation.protocol import get_protocol, list_protocols

CHANGED = "{} is frozen, and {}. Undo that, or make a new version of the protocol beside it."


class Pinned(NamedTuple):
    """A protocol's hash, and PSNR, SSIM and MAE on the fixed pictures: against the GT and the deformed GT.

    No numbers where weights are needed, None where nothing is deformed. PSNR is held within 1e-5 dB: without AVX2
    libraries round differently, and the numbers move by up to 7e-7 dB.
    """

    sha256: str
    gt: tuple[float, float, float] | None = None
    deformed_gt: tuple[float, float, float] | None = None


AS_IT_IS = (16.5503568432, 0.5190199863, 0.0992345555)
PINNED = {
    "dpdd2020": Pinned("c3e67bc4f67e1a3c1615466fc5795bf5e8c69dc4c6cd674ccc2c221d2136f629", AS_IT_IS),
    "dpdd2020-16bit": Pinned("bb72e243df49750989aec253c4202232b70d2c184610f64bb3b31701d4be49ee", AS_IT_IS),
    "jdrl2022": Pinned("20ee0a5c0700392e314018254b2a551d2adffed1e40d8341a57aa15b861deb29"),
    "jdrl2022-dis": Pinned(
        "a608024887c86296aa3d779ed3413da21cac8e5841e7473a02e17955af174698",
        AS_IT_IS,
        (27.8948700, 0.9275557145, 0.0283995867),
    ),
    "sdd-v1": Pinned(
        "98d5f0c09f764355db31e1a80f6d8b07a9f800ff0e517d15a77e0496a2f360e2",
        (16.5974016397, 0.5133978077, 0.0988124061),  # over the pixels that count
        (34.0110977586, 0.9511409536, 0.0158936420),
    ),
}


def test_every_frozen_protocol_is_pinned_here():
    assert {protocol.id for protocol in list_protocols() if protocol.frozen} == set(PINNED)


@pytest.mark.parametrize("protocol_id", PINNED)
def test_the_record_of_a_frozen_protocol_stays_what_it_is(protocol_id):
    found = get_protocol(protocol_id).hash
    assert found == PINNED[protocol_id].sha256, CHANGED.format(protocol_id, f"its record's hash is now {found}")


def pictures():
    """A prediction and a GT that is zoomed and moved against it, 112 x 96 and 8 bits: sums of waves and some noise."""
    rng = np.random.default_rng(2022)
    waves = rng.uniform((-0.8, -0.8, 0), (0.8, 0.8, 6.3), (40, 3))
    x, y = np.meshgrid(np.arange(112.0), np.arange(96.0))

    def picture(zoom, right, down):
        channels = [
            sum(np.sin(u * (zoom * x + right) + v * (zoom * y + down) + p + c) / np.hypot(u, v) for u, v, p in waves)
            for c in range(3)
        ]
        return 0.5 + 0.35 * np.tanh(np.stack(channels, -1) / 8)

    prediction, gt = picture(1, 0, 0), picture(1.01, 1.6, -1.2)
    prediction += rng.normal(0, 0.02, prediction.shape)
    return tuple(np.rint(np.clip(image, 0, 1) * 255).astype(np.float32) / 255 for image in (prediction, gt))


@pytest.mark.parametrize("protocol_id", [name for name in PINNED if PINNED[name].gt is not None])
def test_the_numbers_of_a_frozen_protocol_stay_what_they_are(protocol_id):
    prediction, gt = pictures()  # the prediction is its own input
    protocol = get_protocol(protocol_id)
    scores = score_image(
        prediction, gt, None if protocol.frame == "none" else references.align_reference(protocol, prediction, gt)
    )
    for reference in ("gt", "deformed_gt"):
        pinned, found = getattr(PINNED[protocol_id], reference), scores[reference]
        numbers = None if found is None else (found.psnr, found.ssim, found.mae)
        assert (numbers is None) is (pinned is None)
        if numbers is not None:
            close = numbers[0] == pytest.approx(pinned[0], abs=1e-5)
            close &= numbers[1:] == pytest.approx(pinned[1:], abs=1e-6)
            assert close, CHANGED.format(protocol_id, f"its numbers on fixed pictures are {numbers}, not {pinned}")


def test_protocols_start_from_the_first_edition_of_the_similarity(monkeypatch):
    # Later editions are better, and give other numbers.
    asked = []

    def estimate(source, target, *, edition):
        asked.append(edition)
        return estimate_similarity(source, target, edition=edition)

    monkeypatch.setattr(references, "estimate_similarity", estimate)
    picture = np.random.default_rng(0).random((80, 96, 3), dtype=np.float32)
    references.align_reference(get_protocol("sdd-v1"), picture, picture)
    references.find_alignment(picture, picture)
    assert asked == [1, 1]
