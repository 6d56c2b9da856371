"""Real photographs whose focus and framing move, end to end in small."""

import csv
import itertools
from pathlib import Path

import pytest

from sdd_bench import evaluate, open_dataset, prepare

STACK = Path(__file__).parents[2].parent / "shared" / "data" / "focal_stack"


@pytest.mark.skipif(not STACK.is_dir(), reason="needs the real photographs of ../shared/data/focal_stack")
def test_deforming_the_ground_truth_raises_the_score_of_real_misaligned_pairs(tmp_path):
    slices = sorted(STACK.glob("*.jpg"))[:4]
    (tmp_path / "raw").mkdir()
    for path in slices:
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "raw" / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["blur", "sharp", "scene", "environment", "split"])
        for blur, sharp in itertools.pairwise(slices):
            writer.writerow([blur.name, sharp.name, "board", "indoor", "test"])
    prepare(tmp_path / "raw", tmp_path / "data", "as-is", size=(512, 384), patch_size=None, progress=False)
    dataset = open_dataset(tmp_path / "data")
    assert len(dataset) == 3
    result = evaluate(tmp_path / "data" / "test" / "blur", dataset, cache=tmp_path / "cache", progress=False)
    for image in result.images:
        assert image.error is None
        assert image.alignment.zoom is not None
        assert image.deformed_gt.psnr > image.gt.psnr + 3
        assert 0.97 < image.alignment.zoom < 1.03
