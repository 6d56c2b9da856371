"""What `prepare` does with one pair: read, reduce, write, and note what was written.

Worker processes run it. They import this module and what it needs and nothing more, which is why it doesn't lie beside
the checks, which need far more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdd_bench.datasets.manifest import Check, PairRecord, SourceFile
from sdd_bench.datasets.pair_files import write_pair, write_patch_pair
from sdd_bench.datasets.plan import Job
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.resize import reduce_levels
from sdd_bench.errors import ImageError
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_levels

_LOSSY = Check(
    name="lossy source", level="warning", message="a raw file is a JPEG: its coding errors are in the images"
)


def prepare_pair(raw: Path, folder: Path, preset: Preset, job: Job) -> dict[str, Any] | str:
    """Write the images and patches of a pair.

    Args:
        raw: the raw folder.
        folder: where the dataset is being made.
        preset: the parameters.
        job: the pair, and what becomes of it.

    Returns:
        What is to be kept of it, JSON-able: "record", a `PairRecord` with no checks but that of the sources' coding,
        and "view", the fields of a `PairView`. Where a raw file can't be decoded, which one and why instead.

    Raises:
        OutputError: a file can't be written.
    """
    pair = job.pair
    try:
        images = {
            kind: reduce_levels(read_levels(raw / source), job.size, job.bit_depth)
            for kind, source in pair.sources.items()
        }
    except ImageError as error:
        return str(error)
    if pair.is_patch:
        written = write_patch_pair(folder, pair.stem, images)
    else:
        written = write_pair(folder, pair.stem, job.split, images, preset, patched=job.patch_count > 0)
    record = PairRecord(
        stem=pair.stem,
        scene=pair.scene,
        environment=pair.environment,
        split=job.split,
        size=job.size,
        bit_depth=job.bit_depth,
        sources={kind: SourceFile(path=source, sha256=sha256(raw / source)) for kind, source in pair.sources.items()},
        files=written.hashes,
        patches=written.patches,
        checks=(_LOSSY,) if job.info.format == "jpeg" else (),
    )
    return {"record": record.model_dump(mode="json"), "view": written.view._asdict()}
