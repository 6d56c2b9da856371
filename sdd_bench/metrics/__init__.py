"""Image quality metrics: pure functions of arrays or tensors, each equal to its reference implementation.

`fidelity` is a function here, and a module of this package too. The function wins: import module members by
``from sdd_bench.metrics.fidelity import ...``, not by ``import sdd_bench.metrics.fidelity as ...``. `LPIPS` is imported
when first used, because it brings torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdd_bench.metrics.fidelity import Fidelity, fidelity, mae, psnr, ssim

if TYPE_CHECKING:
    from sdd_bench.metrics.perceptual import LPIPS

__all__ = ["LPIPS", "Fidelity", "fidelity", "mae", "psnr", "ssim"]


def __getattr__(name: str) -> object:
    if name == "LPIPS":
        from sdd_bench.metrics.perceptual import LPIPS

        return LPIPS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
