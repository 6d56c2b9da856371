"""Alignment of two pictures: zoom and shift, optical flow, warping.

`flow` and `warp` are functions here, and modules of this package too. The functions win: import module members by
``from sdd_bench.alignment.warp import ...``, not by ``import sdd_bench.alignment.warp as ...``.
"""

from sdd_bench.alignment.flow import flow
from sdd_bench.alignment.similarity import Similarity, estimate_similarity
from sdd_bench.alignment.warp import warp

__all__ = ["Similarity", "estimate_similarity", "flow", "warp"]
