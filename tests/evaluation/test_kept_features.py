import numpy as np
import pytest

from sdd_bench.evaluation.kept_features import KeptLPIPS


class Network:
    """Stands in for LPIPS: the features of a picture are its mean colours."""

    weights_sha256 = "0" * 64
    device = "cpu"

    def __init__(self):
        self.passes = 0

    def features(self, picture):
        self.passes += 1
        return (picture.mean(0, keepdims=True).astype(np.float16), picture.mean(1, keepdims=True).astype(np.float16))

    def between(self, pred, *refs):
        return tuple(float(abs(pred.mean() - np.float64(columns.mean()))) + 0 * rows.size for columns, rows in refs)


PICTURES = [np.full((40, 50, 3), value, np.float32) for value in (0.5, 0.25, 0.75)]


def test_features_of_a_reference_are_computed_once_for_all_predictions_and_runs(tmp_path):
    first, second = Network(), Network()
    found = KeptLPIPS(first, tmp_path, "lib 1")(*PICTURES)
    assert first.passes == 2
    assert KeptLPIPS(second, tmp_path, "lib 1")(*PICTURES) == found == pytest.approx((0.25, 0.25), abs=1e-3)
    KeptLPIPS(second, tmp_path, "lib 1")(PICTURES[1], *PICTURES[1:])
    assert second.passes == 0


def test_another_version_of_the_libraries_computes_anew(tmp_path):
    network = Network()
    for libraries in ("lib 1", "lib 2"):
        KeptLPIPS(network, tmp_path, libraries)(*PICTURES[:2])
    assert network.passes == 2


def test_a_damaged_file_is_computed_again(tmp_path):
    network = Network()
    KeptLPIPS(network, tmp_path, "lib 1")(*PICTURES[:2])
    (kept,) = tmp_path.iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    assert KeptLPIPS(network, tmp_path, "lib 1")(*PICTURES[:2]) == pytest.approx((0.25,), abs=1e-3)
    assert network.passes == 2
