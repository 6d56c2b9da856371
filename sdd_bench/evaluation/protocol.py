"""Evaluation protocols: named, versioned, frozen records of the exact arithmetic behind a number.

The records are JSON files beside this module. A protocol's hash covers everything that changes a number, so two results
may stand in one column only if their hashes agree.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sdd_bench.alignment.blur import BlurSettings
from sdd_bench.alignment.flow import DisFlow, FarnebackFlow, RefinedDisFlow
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.errors import ProtocolError, unknown_name

BitDepth = Literal[8, 16]
_TEXTS = {"title", "description"}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskSettings(_Record):
    """Which pixels of a pair are left out of every score under a protocol.

    Always left out are pixels whose place in the ground truth lies outside it, or whose circle of confusion does.
    """

    forward_backward_tolerance: float = Field(
        gt=0, description="largest error of a valid pixel, pixels, unless the change it makes is tolerated"
    )
    change_tolerance: float = Field(
        gt=0,
        description="largest change of a valid pixel, in units of the picture, if the bends of the flow lay one pixel "
        "elsewhere",
    )
    warn_share: float = Field(gt=0, lt=1, description="share left out above which a pair is reported")
    error_share: float = Field(gt=0, lt=1, description="share left out above which a pair gets no scores")


class Protocol(_Record):
    """One protocol.

    Attributes:
        id: name and version, for example ``jdrl2022``; one that ends in ``.dev`` may still change, all others are
            frozen.
        title: one line for tables.
        description: what it is for, in sentences for readers of a leaderboard.
        arithmetic: version of the code behind the record; raised with every change that changes a number, so that the
            hash changes too.
        frame: the picture towards which the ground truth is deformed: the blurry ``input`` (one reference per pair,
            the same for all methods) or each ``prediction`` (every method gets its own reference); ``none`` takes the
            ground truth as it is, and then there is no flow, warp or mask.
        flow: the optical flow from that picture to the ground truth.
        equalise: how the ground truth is blurred like the input before the final flow; None takes both as they are.
        warp: how the ground truth is sampled along the flow; ``jdrl2022`` is the released code's bilinear sampling on a
            grid that is off by up to half a pixel.
        mask: which pixels count; None counts all.
        bit_depth: of the prediction files; the dataset's pictures are rounded to it where they have more. None takes
            predictions of any depth.
        crop: whether cropped predictions are accepted (``detect``, see `sdd_bench.evaluation.crops`) or not (``none``).
        metrics: what is computed.
    """

    schema_version: Literal[1]
    id: str
    title: str
    description: str
    arithmetic: int
    frame: Literal["input", "prediction", "none"]
    flow: Annotated[DisFlow | RefinedDisFlow | FarnebackFlow | PwcNetFlow, Field(discriminator="name")] | None
    equalise: BlurSettings | None
    warp: Literal["lanczos6", "lanczos4", "bilinear", "jdrl2022"] | None
    mask: MaskSettings | None
    bit_depth: BitDepth | None = None
    crop: Literal["none", "detect"] = "none"
    metrics: Annotated[tuple[Literal["psnr", "ssim", "mae", "lpips"], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _deforming_needs_a_flow_and_a_warp(self) -> Protocol:
        deforming = {"flow": self.flow, "warp": self.warp}
        parts = deforming if self.frame != "none" else deforming | {"equalise": self.equalise, "mask": self.mask}
        wrong = [name for name, part in parts.items() if (part is None) is (self.frame != "none")]
        if wrong:
            raise ValueError(f"frame {self.frame!r} can't go with {', '.join(f'{n} = {parts[n]}' for n in wrong)}")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the arithmetic: every field but the texts."""
        arithmetic = self.model_dump(mode="json", exclude=_TEXTS)
        return hashlib.sha256(json.dumps(arithmetic, sort_keys=True).encode()).hexdigest()

    @property
    def frozen(self) -> bool:
        """Whether its numbers stay what they are; what has to change gets another id."""
        return not self.id.endswith(".dev")

    @property
    def flow_weights(self) -> str | None:
        """Name of the weight file its flow needs, in `sdd_bench.weights`; None if it needs none."""
        return self.flow.weights if isinstance(self.flow, PwcNetFlow) else None

    def on(self, device: str) -> Protocol:
        """The same protocol, of the same hash, with its flow computed on a device, as torch names it."""
        return self if self.flow is None else self.model_copy(update={"flow": self.flow.on(device)})

    def variants(self) -> dict[BitDepth, Protocol]:
        """The protocols that differ from this one by their bit depth alone, itself among them; empty if there are none.

        Returns:
            By bit depth.
        """
        labels = {*_TEXTS, "id", "bit_depth"}
        same = [
            other for other in list_protocols() if other.model_dump(exclude=labels) == self.model_dump(exclude=labels)
        ]
        found = {other.bit_depth: other for other in same if other.bit_depth is not None}
        return found if len(found) > 1 else {}


def list_protocols() -> list[Protocol]:
    """All protocols that come with this version, by id."""
    return list(_all_protocols().values())


def get_protocol(protocol_id: str, bit_depth: int | None = None) -> Protocol:
    """The protocol of that id, or its variant for another bit depth.

    Args:
        protocol_id: its id.
        bit_depth: of the predictions; None takes the protocol itself.

    Raises:
        ProtocolError: if there is none of that id (names the nearest), or it has no variant of that bit depth.
    """
    protocols = _all_protocols()
    if protocol_id not in protocols:
        raise ProtocolError(unknown_name("protocol", protocol_id, protocols))
    protocol = protocols[protocol_id]
    if bit_depth is None:
        return protocol
    variants = protocol.variants()
    for depth, variant in variants.items():
        if depth == bit_depth:
            return variant
    if variants:
        has = f"has variants for {' and '.join(map(str, sorted(variants)))} bits, not for {bit_depth}"
    else:
        takes = f"{protocol.bit_depth}-bit files" if protocol.bit_depth else "files of any bit depth"
        has = f"has no variants by bit depth, it scores {takes}"
    having = [other.id for other in protocols.values() if other.variants()]
    raise ProtocolError(f"{protocol_id} {has}. Leave --bit-depth out; it is for {', '.join(having)}.")


@lru_cache(maxsize=1)
def _all_protocols() -> dict[str, Protocol]:
    files = (
        file for file in resources.files(__package__).joinpath("protocols").iterdir() if file.name.endswith(".json")
    )
    protocols = [Protocol.model_validate_json(file.read_text("utf-8")) for file in files]
    return {protocol.id: protocol for protocol in sorted(protocols, key=lambda protocol: protocol.id)}
