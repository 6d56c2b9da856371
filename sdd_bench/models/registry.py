"""What is known of every model: facts only, so that listing them imports no network."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sdd_bench.errors import ModelError, unknown_name


@dataclass(frozen=True)
class ModelEntry:
    """One method of the zoo.

    Attributes:
        name: what commands call it.
        title: what tables call it.
        kind: ``network`` gives the deblurred picture, ``map`` a defocus map, ``classical`` has no weights.
        paper: where it is described.
        code: its authors' release.
        licence: under which terms the release is offered.
        parameters: how many the release has (of those that `build` makes), None of a classical method.
        stride: sides of the input must be multiples of it.
        reach: how far from a pixel, in pixels, the input can change it; None where that is the whole picture.
        global_because: what makes it the whole picture, empty where `reach` is given.
        weights: names of its released files in `sdd_bench.weights.REGISTRY`, the default first.
        build: ``module:callable`` that makes it.
        importer: ``module:callable`` that turns the released tensors, by their names there, into ours; empty where they
            are the same.
    """

    name: str
    title: str
    kind: Literal["network", "map", "classical"]
    paper: str
    code: str
    licence: str
    parameters: int | None
    stride: int
    reach: int | None
    global_because: str
    weights: tuple[str, ...]
    build: str
    importer: str = ""

    def load(self) -> Callable[..., Any]:
        """Import what makes it."""
        module, _, attribute = self.build.partition(":")
        made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return made


_KPAC = "Son et al.: Single Image Defocus Deblurring Using Kernel-Sharing Parallel Atrous Convolutions. ICCV 2021"
MODELS: dict[str, ModelEntry] = {
    model.name: model
    for model in (
        ModelEntry(
            name="unet",
            title="UNet*",
            kind="network",
            paper="Li et al.: Learning Single Image Defocus Deblurring with Misaligned Training Pairs. AAAI 2023",
            code="https://github.com/liyucs/JDRL",
            licence="none stated",
            parameters=31_033_411,
            stride=16,
            reach=123,
            global_because="",
            weights=("unet-jdrl-sdd",),
            build="sdd_bench.models.unet:UNet",
            importer="sdd_bench.models.unet:from_release",
        ),
        ModelEntry(
            name="unet-rgl",
            title="UNet* (RGL)",
            kind="network",
            paper="Ren et al.: Reblurring-Guided Single Image Defocus Deblurring. arXiv 2409.17792",
            code="https://github.com/ssscrystal/Reblurring-guided-JDRL",
            licence="none stated",
            parameters=31_120_262,
            stride=16,
            reach=None,
            global_because="squeeze-and-excitation takes means over the picture",  # as `GuidedNetwork` says itself
            weights=(),
            build="sdd_bench.models.guided:guided_unet",
        ),
        ModelEntry(
            name="mprnet",
            title="MPRNet",
            kind="network",
            paper="Zamir et al.: Multi-Stage Progressive Image Restoration. CVPR 2021",
            code="https://github.com/swz30/MPRNet",
            licence="Academic Public License (non-commercial)",
            parameters=20_127_073,
            stride=8,
            reach=None,
            global_because="channel attention takes means over the picture, which is also cut at its middle",
            weights=("mprnet-jdrl-sdd", "mprnet-jdrl-dpdd", "mprnet-gopro"),
            build="sdd_bench.models.mprnet:MPRNet",
        ),
        ModelEntry(
            name="dmphn",
            title="DMPHN",
            kind="network",
            paper="Zhang et al.: Deep Stacked Hierarchical Multi-Patch Network for Image Deblurring. CVPR 2019",
            code="https://github.com/HongguangZhang/DMPHN-cvpr19-master",
            licence="none stated",
            parameters=7_232_524,
            stride=16,
            reach=None,
            global_because="the picture is cut into halves, quarters and eighths, at whose edges padding begins",
            weights=("dmphn-gopro",),
            build="sdd_bench.models.dmphn:DMPHN",
        ),
        ModelEntry(
            name="dpdnet_s",
            title="DPDNet-S",
            kind="network",
            paper="Abuolaim, Brown: Defocus Deblurring Using Dual-Pixel Data. ECCV 2020",
            code="https://github.com/Abdullah-Abuolaim/defocus-deblurring-dual-pixel",
            licence="MIT",
            parameters=31_033_423,
            stride=16,
            reach=123,
            global_because="",
            weights=(),
            build="sdd_bench.models.dpdnet:DPDNetS",
            importer="sdd_bench.models.dpdnet:from_release",
        ),
        ModelEntry(
            name="kpac-2level",
            title="Son et al. (KPAC, 2 levels)",
            kind="network",
            paper=_KPAC,
            code="https://github.com/HyeongseokSon1/KPAC",
            licence="AGPL-3.0",
            parameters=1_578_277,
            stride=4,
            reach=None,
            global_because="the attention to channels takes means over the picture",
            weights=("kpac-2level",),
            build="sdd_bench.models.kpac:kpac_2level",
            importer="sdd_bench.models.kpac:two_levels_from_release",
        ),
        ModelEntry(
            name="kpac-3level",
            title="Son et al. (KPAC, 3 levels)",
            kind="network",
            paper=_KPAC,
            code="https://github.com/HyeongseokSon1/KPAC",
            licence="AGPL-3.0",
            parameters=2_057_893,
            stride=8,
            reach=None,
            global_because="the attention to channels takes means over the picture",
            weights=("kpac-3level",),
            build="sdd_bench.models.kpac:kpac_3level",
            importer="sdd_bench.models.kpac:three_levels_from_release",
        ),
        ModelEntry(
            name="ifan",
            title="IFAN",
            kind="network",
            paper="Lee et al.: Iterative Filter Adaptive Network for Single Image Defocus Deblurring. CVPR 2021",
            code="https://github.com/codeslake/IFAN",
            licence="AGPL-3.0",
            parameters=10_476_996,
            stride=8,
            reach=521,
            global_because="",
            weights=("ifan", "ifan-jdrl-dpdd"),
            build="sdd_bench.models.ifan:IFAN",
            importer="sdd_bench.models.ifan:from_release",
        ),
        ModelEntry(
            name="restormer",
            title="Restormer",
            kind="network",
            paper="Zamir et al.: Restormer: Efficient Transformer for High-Resolution Image Restoration. CVPR 2022",
            code="https://github.com/swz30/Restormer",
            licence="Academic Public License (non-commercial)",
            parameters=26_126_644,
            stride=8,
            reach=None,
            global_because="attention compares channels over the whole picture",
            weights=("restormer-dpdd",),
            build="sdd_bench.models.restormer:Restormer",
        ),
        ModelEntry(
            name="dmenet",
            title="DMENet",
            kind="map",
            paper="Lee et al.: Deep Defocus Map Estimation Using Domain Adaptation. CVPR 2019",
            code="https://github.com/codeslake/DMENet",
            licence="AGPL-3.0",
            parameters=25_349_025,
            stride=16,
            reach=193,
            global_because="",
            weights=("dmenet",),
            build="sdd_bench.models.dmenet:DMENet",
            importer="sdd_bench.models.dmenet:from_release",
        ),
    )
}


def entry(name: str) -> ModelEntry:
    """Look a model up.

    Raises:
        ModelError: there is none of that name; the message lists the nearest.
    """
    if name not in MODELS:
        raise ModelError(unknown_name("model", name, MODELS))
    return MODELS[name]
