import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property often pays for an import or a cache; that is no failure.
settings.register_profile("sdd-bench", deadline=None)
settings.load_profile("sdd-bench")

# On small tensors, threads that spin for a core which others use cost far more than they give. It is said here, before
# any test imports PyTorch, which asks for it only then, and also holds in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the weights or finished work in the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDD_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def two_torch_threads() -> Iterator[None]:
    """For what must not depend on the number of threads, or notes it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of three small synthetic test pairs with known truth; read it, do not change it."""
    from sdd_bench import prepare, synthesize
    from sdd_bench.datasets.scenes import SceneSettings

    folder = tmp_path_factory.mktemp("dataset")
    small = SceneSettings(width=160, height=128, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=3, seed=5, settings=small, progress=False)
    prepare(folder / "raw", folder / "prepared", "as-is", name="small", patch_size=64, stride=32, progress=False)
    return folder / "prepared"


@pytest.fixture(scope="session")
def image() -> Callable:
    """Makes the row of an image, whose scores are the same against the GT and the deformed GT."""
    from sdd_bench.evaluation.references import Alignment
    from sdd_bench.evaluation.results import ImageResult, Scores
    from sdd_bench.metrics.fidelity import Fidelity

    def make(stem, psnr, environment="indoor", *, ssim=0.5, mae=0.1, lpips=None, error=None):
        scores = None if error else Scores.of(Fidelity(psnr=psnr, ssim=ssim, mae=mae), lpips)
        return ImageResult(
            stem=stem,
            scene=stem,
            environment=environment,
            prediction_sha256="0" * 64,
            gt=scores,
            deformed_gt=scores,
            aligned_gt=None,
            alignment=Alignment(zoom=1.0, shift=(0.0, 0.0), mean_flow=0.0, forward_backward_error=None, left_out=0.0),
            error=error,
        )

    return make


@pytest.fixture(scope="session")
def result() -> Callable:
    """Makes the result of a method from its images."""
    from sdd_bench.evaluation import DEFAULT_PROTOCOL
    from sdd_bench.evaluation.protocol import get_protocol
    from sdd_bench.evaluation.results import DatasetReference, EvaluationResult, Run, group_means

    def make(images, method="a method", *, protocol=DEFAULT_PROTOCOL, manifest="1" * 64, split="test", **changes):
        record = get_protocol(protocol)
        fields = {
            "method": method,
            "protocol": record,
            "protocol_sha256": record.hash,
            "dataset": DatasetReference(name="data", manifest_sha256=manifest, split=split),
            "notes": (),
            "weights": "none",
            "weights_sha256": {},
            "images": tuple(images),
            "means": group_means(images),
            "run": Run(
                command=None, started="2026-01-01T00:00:00", wall_seconds=1.0, workers=1, versions={}, machine={}
            ),
        }
        return EvaluationResult(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def published() -> Callable:
    """Makes the entry of numbers copied from a paper, which are given as it prints them."""
    from sdd_bench.leaderboard.records import Method, PrintedNumber, PublishedScores, Source, published_entry

    def make(name="m", psnr="24.50", ssim=None, mae=None, lpips=None, *, title="T", reference="gt", **changes):
        printed = {"psnr": psnr, "ssim": ssim, "mae": mae, "lpips": lpips}
        numbers = {metric: PrintedNumber.parse(text) for metric, text in printed.items() if text is not None}
        scores = PublishedScores(group="all", reference=reference, **numbers)
        fields = {"method": Method(name=name), "dataset": "SDD", "protocol": None, "source": Source(title=title)}
        return published_entry(**(fields | {"scores": (scores,)} | changes))

    return make
