import pytest

from sdd_bench.evaluation.results import Scores
from sdd_bench.metrics.fidelity import Fidelity


@pytest.fixture
def make_image(image):
    """Makes a row whose PSNR against the GT differs from that against the deformed GT; None stands for no score."""

    def make(stem, deformed_gt, gt=15.0, environment="indoor", error=None, limit=None, left_out=0.02):
        row = image(stem, 0.0, environment, error=error)
        of = {
            name: None if psnr is None else Scores.of(Fidelity(psnr=psnr, ssim=0.5, mae=0.1), None)
            for name, psnr in (("gt", gt), ("deformed_gt", deformed_gt))
        }
        alignment = row.alignment.model_copy(update={"limit": limit, "left_out": left_out})
        return row.model_copy(update=of | {"alignment": alignment})

    return make
