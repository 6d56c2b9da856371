"""What a leaderboard is made of: one record per method, dataset and protocol, or per place a number was copied from."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    model_serializer,
    model_validator,
)

from sdd_bench.evaluation.results import EvaluationResult, GroupName
from sdd_bench.leaderboard.escape import slug

SCHEMA_VERSION = 1
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_UNSEALED = "0" * 64
COST_FIELDS = ("parameters", "seconds_per_megapixel", "machine", "threads")
"""Of a method: what it takes."""
PublishedReference = Literal["gt", "deformed_gt", "unknown"]
# Marks that turn the direction of the text after them, so that a table reads otherwise than it is written.
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain_line(text: str) -> str:
    """Text that is what it looks like in a table, returned as it is.

    Raises:
        ValueError: for control characters, marks that turn the direction of text, an empty line, spaces at its ends,
            and a beginning that a spreadsheet takes for a formula.
    """
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in _DIRECTION_OVERRIDES]
    if bad:
        raise ValueError(f"found the character U+{ord(bad[0]):04X}; expected one line without control characters")
    if not text or text != text.strip():
        raise ValueError(f"found {text!r}; expected text that neither is empty nor begins or ends with a space")
    if text[0] in "=+-@":
        raise ValueError(f"found {text!r}; a spreadsheet would take it for a formula: begin with another character")
    return text


Line = Annotated[str, AfterValidator(plain_line)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Method(_Record):
    """Who made the pictures, and how. What is not known is None.

    Attributes:
        name: of the method; in any script, but in one line.
        framework: by which a known network was trained, for example ``jdrl``.
        variant: which of several of the same name, for example of an ablation.
        trained_on: training data.
        authors: of the method.
        paper: title, DOI or address.
        code: address.
        year: of its paper.
        venue: of its paper.
        weights_sha256: of the method's own weight file.
        parameters: how many its network has; 0 for a method that has none, as classical ones.
        seconds_per_megapixel: without reading and writing.
        machine: what that was measured on: name of the processor or of the GPU.
        threads: of the processor, where it was measured on one.
    """

    name: Line
    framework: Line | None = None
    variant: Line | None = None
    trained_on: Line | None = None
    authors: Line | None = None
    paper: Line | None = None
    code: Line | None = None
    year: Annotated[int, Field(ge=1900, le=2100)] | None = None
    venue: Line | None = None
    weights_sha256: Sha256 | None = None
    parameters: Annotated[int, Field(ge=0)] | None = None
    seconds_per_megapixel: Annotated[float, Field(gt=0)] | None = None
    machine: Line | None = None
    threads: Annotated[int, Field(ge=1)] | None = None

    @model_serializer(mode="wrap")
    def _without_a_cost_that_nobody_knows(self, serialise: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        # As for the commands of an entry: those of before have no such keys.
        content = serialise(self)
        return {key: value for key, value in content.items() if value is not None or key not in COST_FIELDS}

    @model_validator(mode="after")
    def _time_has_a_machine(self) -> Method:
        if (self.seconds_per_megapixel is None) is not (self.machine is None):
            raise ValueError("seconds_per_megapixel and machine go together: a time says nothing without what it is of")
        if self.threads is not None and self.machine is None:
            raise ValueError("threads are those of a machine; give seconds_per_megapixel and machine too")
        return self

    @property
    def timed_on(self) -> str | None:
        """What its time was measured on, in words; times of two methods are comparable only if this is the same."""
        if self.machine is None or self.threads is None:
            return self.machine
        return f"{self.machine}, {self.threads} thread{'s' if self.threads != 1 else ''}"

    @property
    def label(self) -> str:
        """Its name in tables, for example ``UNet + JDRL, no-mask``."""
        framework = "" if self.framework is None else f" + {self.framework.upper()}"
        return f"{self.name}{framework}" + ("" if self.variant is None else f", {self.variant}")


class PrintedNumber(_Record):
    """A number as its source prints it: the digits it has, and no more.

    Attributes:
        value: the number.
        decimals: how many digits after the point were printed; 0.720 has three.
    """

    value: float
    decimals: Annotated[int, Field(ge=0, le=12)]

    @classmethod
    def parse(cls, text: str) -> PrintedNumber:
        """Read printed digits.

        Raises:
            ValueError: if they are no number in plain notation.
        """
        try:
            exponent = Decimal(text).as_tuple().exponent
        except InvalidOperation as error:
            raise ValueError(f"{text!r} is no number") from error
        if not isinstance(exponent, int) or exponent > 0:
            raise ValueError(f"{text!r} is no finite number in plain notation")
        return cls(value=float(text), decimals=-exponent)

    @property
    def text(self) -> str:
        """The digits as printed."""
        return f"{self.value:.{self.decimals}f}"

    @property
    def rounding(self) -> float:
        """Half a unit of the last digit: how far the number may be from the one that was rounded."""
        return 0.5 * 10.0**-self.decimals


class PublishedScores(_Record):
    """Means that a source gives for a group of images against one reference; None where it gives none.

    Attributes:
        group: the images.
        reference: what the predictions were held against; ``unknown`` where the evaluation code was not read.
        psnr: dB.
        ssim: whichever the source computes.
        mae: in [0, 1].
        lpips: by whichever network the source uses.
    """

    group: GroupName
    reference: PublishedReference
    psnr: PrintedNumber | None = None
    ssim: PrintedNumber | None = None
    mae: PrintedNumber | None = None
    lpips: PrintedNumber | None = None


class Source(_Record):
    """Where a number was copied from.

    Attributes:
        title: the work and the table in it.
        place: file and commit, or address; None where the title says it all.
    """

    title: Line
    place: Line | None = None


class _Entry(_Record):
    schema_version: Literal[1] = 1
    method: Method
    entry_sha256: Sha256

    @property
    def content_sha256(self) -> str:
        """Hash of everything but `entry_sha256`."""
        return hashlib.sha256(_canonical(self.model_dump(mode="json", exclude={"entry_sha256"}))).hexdigest()

    def to_json(self) -> str:
        """The content of its file."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class PublishedEntry(_Entry):
    """Numbers copied from a text, not computed here.

    Its protocol is what the source is believed to have used. Without the hashes that only a computed result has, it
    stands in a table with the other numbers of the same source, and with no others.

    Attributes:
        status: ``published``.
        method: whose numbers.
        dataset: name of the dataset.
        protocol: id of the protocol whose arithmetic the source uses; None where that is not known.
        source: where the numbers were copied from.
        scores: one row per group and reference.
        notes: what was noted when they were copied.
        doubts: why they may not be comparable with others.
        entry_sha256: hash of all this.
    """

    status: Literal["published"] = "published"
    dataset: Line
    protocol: str | None
    source: Source
    scores: Annotated[tuple[PublishedScores, ...], Field(min_length=1)]
    notes: tuple[Line, ...] = ()
    doubts: tuple[Line, ...] = ()

    @property
    def id(self) -> str:
        """Name of its file: of dataset and method, made unique by a hash of everything that tells it from others."""
        return _id(self)

    @property
    def board_key(self) -> tuple[str, ...]:
        """Entries stand in one table only if these are equal: dataset, protocol and source."""
        return ("published", self.dataset, self.protocol or "", self.source.title, self.source.place or "")

    @property
    def dataset_name(self) -> str:
        """As the source calls it."""
        return self.dataset


class ComputedEntry(_Entry):
    """A result of `sdd-bench evaluate`, with who made the predictions.

    Attributes:
        status: ``self-reported`` by those who evaluated it, or ``verified``: computed again from the predictions.
        method: whose predictions.
        result: the whole result, without the command line, which names folders of whoever ran it, and without the cost,
            which `method` says.
        commands: by which the predictions were made, one after the other; none where nobody said so.
        entry_sha256: hash of all this.
    """

    status: Literal["self-reported", "verified"]
    result: EvaluationResult
    commands: tuple[Line, ...] = ()

    @model_serializer(mode="wrap")
    def _without_commands_that_nobody_gave(self, serialise: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        # Entries without them have no such key, and so the hash that they had before there was one. There is no return
        # type, because it would replace the schema of an entry.
        content = serialise(self)
        if not self.commands:
            content.pop("commands", None)
        return content

    @model_validator(mode="after")
    def _command_and_cost_are_dropped(self) -> ComputedEntry:
        if self.result.run.command is not None:
            raise ValueError("run.command names folders of whoever ran it; set it to null (`leaderboard add` does)")
        if self.result.run.cost is not None:
            raise ValueError("run.cost is said by `method`; leave it out of the result (`leaderboard add` does)")
        return self

    @property
    def id(self) -> str:
        """Name of its file: of dataset and method, made unique by a hash of everything that tells it from others."""
        return _id(self)

    @property
    def board_key(self) -> tuple[str, ...]:
        """Entries stand in one table only if these are equal: dataset, split, protocol and a flow network's weights."""
        result = self.result
        flow = result.weights_sha256.get(result.protocol.flow_weights or "", "")
        return ("computed", result.dataset.manifest_sha256, result.dataset.split, result.protocol.hash, flow)

    @property
    def dataset_name(self) -> str:
        """As its manifest calls it."""
        return self.result.dataset.name


Entry = Annotated[PublishedEntry | ComputedEntry, Field(discriminator="status")]
ENTRY: TypeAdapter[PublishedEntry | ComputedEntry] = TypeAdapter(Entry)


def json_schema() -> dict[str, Any]:
    """JSON Schema of an entry's file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ENTRY.json_schema(mode="serialization")}


def published_entry(**fields: Any) -> PublishedEntry:
    """A published entry from its fields, with its hash.

    Raises:
        ValidationError: of pydantic, if a field is not what it should be.
    """
    entry = PublishedEntry(**fields, entry_sha256=_UNSEALED)
    return entry.model_copy(update={"entry_sha256": entry.content_sha256})


def computed_entry(
    result: EvaluationResult,
    method: Method,
    status: Literal["self-reported", "verified"] = "self-reported",
    commands: Sequence[str] = (),
) -> ComputedEntry:
    """A result as an entry, without its command line and its cost, and with its hash.

    Raises:
        ValidationError: of pydantic, if a command is not one line of text.
    """
    # What it takes is said by `method`.
    result = result.model_copy(update={"run": result.run.model_copy(update={"command": None, "cost": None})})
    entry = ComputedEntry(method=method, status=status, result=result, commands=tuple(commands), entry_sha256=_UNSEALED)
    return entry.model_copy(update={"entry_sha256": entry.content_sha256})


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()


def _id(entry: PublishedEntry | ComputedEntry) -> str:
    digest = hashlib.sha256(_canonical([*entry.board_key, entry.method.label, entry.method.trained_on])).hexdigest()
    return "-".join([*filter(None, map(slug, (entry.dataset_name, entry.method.label))), digest[:8]])
