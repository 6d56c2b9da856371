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

from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.alignment.equalise import EqualiseSettings
from sdd_bench.alignment.flow import DisFlow, FarnebackFlow
from sdd_bench.errors import ProtocolError, unknown_name

DEFAULT_PROTOCOL = "sdd-v1.dev"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskSettings(_Record):
    """Which pixels of a pair are left out of every score under a protocol.

    Always left out are pixels whose place in the ground truth lies outside it.
    """

    forward_backward_tolerance: float = Field(gt=0, description="largest error of a valid pixel, pixels")
    warn_share: float = Field(gt=0, lt=1, description="share left out above which a pair is reported")
    error_share: float = Field(gt=0, lt=1, description="share left out above which a pair gets no scores")


class Protocol(_Record):
    """One protocol.

    Attributes:
        id: name and version, for example ``sdd-v1.dev``.
        title: one line for tables.
        description: what it is for, in sentences for readers of a leaderboard.
        arithmetic: version of the code behind the record; raised with every change that changes a number, so that the
            hash changes too.
        frame: the picture towards which the ground truth is deformed: the blurry ``input`` (one reference per pair,
            the same for all methods) or each ``prediction`` (every method gets its own reference).
        flow: the optical flow from that picture to the ground truth.
        equalise: how the ground truth is blurred like the input before the final flow; None takes both as they are.
        warp: how the ground truth is sampled along the flow; ``jdrl2022`` is the released code's bilinear sampling on a
            grid that is off by up to half a pixel.
        mask: which pixels count; None counts all.
        metrics: what is computed.
    """

    schema_version: Literal[1]
    id: str
    title: str
    description: str
    arithmetic: int
    frame: Literal["input", "prediction"]
    flow: Annotated[DisFlow | FarnebackFlow, Field(discriminator="name")]
    equalise: EqualiseSettings | None
    warp: Literal["lanczos4", "bilinear", "jdrl2022"]
    mask: MaskSettings | None
    metrics: Annotated[tuple[Literal["psnr", "ssim", "mae", "lpips"], ...], Field(min_length=1)]

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the arithmetic: every field but the texts."""
        arithmetic = self.model_dump(mode="json", exclude={"title", "description"})
        return hashlib.sha256(json.dumps(arithmetic, sort_keys=True).encode()).hexdigest()


def list_protocols() -> list[Protocol]:
    """All protocols that come with this version, by id."""
    return list(_all_protocols().values())


def get_protocol(protocol_id: str) -> Protocol:
    """The protocol of that id.

    Raises:
        ProtocolError: if there is none; names the nearest.
    """
    protocols = _all_protocols()
    if protocol_id not in protocols:
        raise ProtocolError(unknown_name("protocol", protocol_id, protocols))
    return protocols[protocol_id]


@lru_cache(maxsize=1)
def _all_protocols() -> dict[str, Protocol]:
    files = (
        file for file in resources.files(__package__).joinpath("protocols").iterdir() if file.name.endswith(".json")
    )
    protocols = [Protocol.model_validate_json(file.read_text("utf-8")) for file in files]
    return {protocol.id: protocol for protocol in sorted(protocols, key=lambda protocol: protocol.id)}
