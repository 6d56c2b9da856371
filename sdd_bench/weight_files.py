"""The registry of weight files: facts only, from the releases of their authors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class WeightFile:
    """One file of the registry.

    Attributes:
        name: what commands call it.
        used_by: what needs it.
        file: its name in the cache folder.
        url: where its authors offer it.
        sha256: the hash as far as it is known: 64 hexadecimal digits, the first few of them, or none.
        size: bytes, None if not known.
        licence: under which terms its authors offer it.
        citation: whose work it is.
        by_hand: what to do where `url` is a page or an archive, which can't be fetched; empty where it is the file.
        parts: of a set of files, their names and hashes; then `file` is a folder, and `url` that of a folder.
    """

    name: str
    used_by: str
    file: str
    url: str
    sha256: str
    size: int | None
    licence: str
    citation: str
    by_hand: str = ""
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def pinned(self) -> Literal["full", "prefix", "unverified"]:
        """How much of the hash is known: a file can only be verified as far as that."""
        known = min((len(digest) for _, digest in self.parts), default=len(self.sha256))
        return "full" if known == 64 else "prefix" if known else "unverified"

    def files(self) -> tuple[WeightFile, ...]:
        """The files that it consists of, each as one of its own: itself, where it is one file."""
        if not self.parts:
            return (self,)
        return tuple(
            replace(self, file=f"{self.file}/{part}", url=f"{self.url}/{part}", sha256=digest, size=None, parts=())
            for part, digest in self.parts
        )


def _drive(identity: str) -> str:
    # The releases link the page that shows the file; this is where that page's button leads.
    return f"https://drive.usercontent.google.com/download?id={identity}&export=download&confirm=t"


_PWCNET = "Sun, Yang, Liu, Kautz: PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume. CVPR 2018"
_JDRL = "Li et al.: Learning Single Image Defocus Deblurring with Misaligned Training Pairs. AAAI 2023"
_KPAC = "Son et al.: Single Image Defocus Deblurring Using Kernel-Sharing Parallel Atrous Convolutions. ICCV 2021"
_KPAC_FILES = (
    "https://raw.githubusercontent.com/HyeongseokSon1/KPAC/8603ec3ac56b5a416be6b996165b552aff1c4b0f/pretrained"
)
REGISTRY: dict[str, WeightFile] = {
    entry.name: entry
    for entry in (
        # The digits in the file name are the hash's first ones, by the convention of torch.hub, which checks them; the
        # rest and the size are as recorded by many who have the file.
        WeightFile(
            name="alexnet",
            used_by="LPIPS",
            file="alexnet-owt-7be5be79.pth",
            url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            size=244_408_911,
            licence="BSD-3-Clause",
            citation="Krizhevsky: One weird trick for parallelizing convolutional neural networks. 2014 (torchvision)",
        ),
        # ptlflow's checkpoint "things" of its model "pwcnet", which is the network with dense connections.
        WeightFile(
            name="pwcnet-ptlflow",
            used_by="flow pwcnet",
            file="pwcdcnet-things-cc223701.ckpt",
            url="https://github.com/hmorimitsu/ptlflow/releases/download/weights1/pwcdcnet-things-cc223701.ckpt",
            sha256="cc223701",
            size=None,
            licence="CC BY-NC-SA 4.0",
            citation=_PWCNET + " (ptlflow)",
        ),
        # The official Caffe weights as ported by Niklaus, kept by torch.hub under the name "pwc-default".
        WeightFile(
            name="pwc-default",
            used_by="flow pwcnet, protocol jdrl2022",
            file="pwc-default.pytorch",
            url="http://content.sniklaus.com/github/pytorch-pwc/network-default.pytorch",
            sha256="",
            size=None,
            licence="CC BY-NC-SA 4.0",
            citation=_PWCNET + "; Niklaus: A Reimplementation of PWC-Net Using PyTorch. 2018",
        ),
        # The releases of the zoo; their READMEs name the links, and no hashes.
        WeightFile(
            name="unet-jdrl-sdd",
            used_by="model unet",
            file="unet-jdrl-sdd.pth",
            url=_drive("1o7tI2nj6uLEgCPmx7nh2AvziqIaFTM78"),
            sha256="",
            size=None,
            licence="none stated",
            citation=_JDRL,
        ),
        WeightFile(
            name="mprnet-jdrl-sdd",
            used_by="model mprnet",
            file="mprnet-jdrl-sdd.pth",
            url=_drive("1AaVMdxEdcoDH4lFYQFgPz5Hs-E95UnER"),
            sha256="",
            size=None,
            licence="none stated",
            citation=_JDRL,
        ),
        WeightFile(
            name="mprnet-jdrl-dpdd",
            used_by="model mprnet",
            file="mprnet-jdrl-dpdd.pth",
            url=_drive("1LArGY-Gom-0zAEBYvuT3ivJxNbtnaTNy"),
            sha256="",
            size=None,
            licence="none stated",
            citation=_JDRL,
        ),
        WeightFile(
            name="mprnet-gopro",
            used_by="model mprnet (motion blur)",
            file="mprnet-model_deblurring.pth",
            url=_drive("1QwQUVbk6YVOJViCsOKYNykCsdJSVGRtb"),
            sha256="",
            size=None,
            licence="Academic Public License (non-commercial)",
            citation="Zamir et al.: Multi-Stage Progressive Image Restoration. CVPR 2021",
        ),
        # Hashes: of the files of the repository at this commit, which its Git objects vouch for.
        WeightFile(
            name="dmphn-gopro",
            used_by="model dmphn (motion blur)",
            file="dmphn-1-2-4-8",
            url="https://raw.githubusercontent.com/HongguangZhang/DMPHN-cvpr19-master/"
            "9fff261daca8beb0cbaaa0b64df4239b5a05dd17/checkpoints/DMPHN_1_2_4_8",
            sha256="",
            size=None,
            licence="none stated",
            citation="Zhang et al.: Deep Stacked Hierarchical Multi-Patch Network for Image Deblurring. CVPR 2019",
            parts=(
                ("encoder_lv1.pkl", "938651e29071b661d59909b68d1772d590c3a7a7191cebee22b521dd78af84c0"),
                ("encoder_lv2.pkl", "1357fd72cec9da556864bf3d1156879d154f40efb1b806547b713c4bf3877fa2"),
                ("encoder_lv3.pkl", "c9864598889dca34503211e94978e056135d6ad9e8b7e297bf076665997a55ef"),
                ("encoder_lv4.pkl", "01de21b48fc6b216c737acb3fe854ed085f68d93b498f7f0862872606e99f632"),
                ("decoder_lv1.pkl", "387a0ee8dd945052d069cdce6e6322ec9c93173896a28a72ac2be211bb0a78b2"),
                ("decoder_lv2.pkl", "9ec171ef8513eb85598af0c150904dee1aafe2674416a1878a3f093752721c08"),
                ("decoder_lv3.pkl", "aff3d672b9c81bc9067fe8e111f1901d9e78269fdb103c3f56d7690bec1aa740"),
                ("decoder_lv4.pkl", "5f88c7117f902ce7087ba18fc2b4ec395680d2ad2e6ddc0931284c8e4f1c25e5"),
            ),
        ),
        WeightFile(
            name="restormer-dpdd",
            used_by="model restormer",
            file="single_image_defocus_deblurring.pth",
            url="https://drive.google.com/drive/folders/1bRBG8DG_72AGA6-eRePvChlT5ZO4cwJ4",
            sha256="",
            size=None,
            licence="Academic Public License (non-commercial)",
            citation="Zamir et al.: Restormer: Efficient Transformer for High-Resolution Image Restoration. CVPR 2022",
            by_hand="download single_image_defocus_deblurring.pth from that folder",
        ),
        WeightFile(
            name="kpac-2level",
            used_by="model kpac-2level",
            file="kpac-single_2level.npz",
            url=f"{_KPAC_FILES}/single_2level.npz",
            sha256="",
            size=None,
            licence="AGPL-3.0",
            citation=_KPAC,
        ),
        WeightFile(
            name="kpac-3level",
            used_by="model kpac-3level",
            file="kpac-single_3level.npz",
            url=f"{_KPAC_FILES}/single_3level.npz",
            sha256="",
            size=None,
            licence="AGPL-3.0",
            citation=_KPAC,
        ),
        WeightFile(
            name="ifan",
            used_by="model ifan",
            file="IFAN.pytorch",
            url="https://www.dropbox.com/s/qohhmr9p81u0syi/checkpoints.zip?dl=1",
            sha256="",
            size=None,
            licence="AGPL-3.0",
            citation="Lee et al.: Iterative Filter Adaptive Network for Single Image Defocus Deblurring. CVPR 2021",
            by_hand="download that archive and unpack IFAN.pytorch",
        ),
        WeightFile(
            name="ifan-jdrl-dpdd",
            used_by="model ifan",
            file="ifan-jdrl-dpdd.pytorch",
            url=_drive("1bBbpawh3Surf6niaN4oaCH5a5z3ct3H2"),
            sha256="",
            size=None,
            licence="none stated",
            citation=_JDRL,
        ),
        WeightFile(
            name="dmenet",
            used_by="model dmenet",
            file="DMENet_BDCS.npz",
            url="https://www.dropbox.com/s/04lg03ogsto1fmw/DMENet_BDCS.zip?dl=1",
            sha256="",
            size=None,
            licence="AGPL-3.0",
            citation="Lee et al.: Deep Defocus Map Estimation Using Domain Adaptation. CVPR 2019",
            by_hand="download that archive and unpack DMENet_BDCS.npz",
        ),
    )
}
