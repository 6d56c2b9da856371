"""What lies beside the images of a prepared dataset and is made from them and the manifest.

```
OUT/train_patches.h5                                the training patches in one file, if asked for
OUT/{train,val,test,train_patches}/metadata.jsonl   tables for Hugging Face's ``imagefolder``
OUT/README.md, OUT/preview.jpg                      the dataset card and its picture
OUT/croissant.json                                  MLCommons Croissant
OUT/prepare_report.html                             the report
OUT/SHA256SUMS                                      SHA-256 of every file but the card and itself
```
"""

from __future__ import annotations

from collections.abc import Mapping

from sdd_bench.datasets.card import CARD_NAME, PREVIEW_NAME, card, describe_dataset, draw_preview
from sdd_bench.datasets.checksums import write_checksums
from sdd_bench.datasets.croissant import CROISSANT_NAME, croissant
from sdd_bench.datasets.hub_tables import hub_tables, table_path, table_text
from sdd_bench.datasets.manifest import MANIFEST_NAME, DatasetManifest
from sdd_bench.datasets.pack import PACK_NAME, write_patch_pack
from sdd_bench.datasets.prepare_report import REPORT_NAME, PairView, write_prepare_report
from sdd_bench.datasets.verify import manifest_files
from sdd_bench.io.atomic import write_bytes, write_json, write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.io.staging import StagedFolder
from sdd_bench.parallel import WorkerPool


def write_sidecars(
    stage: StagedFolder,
    manifest: DatasetManifest,
    views: Mapping[str, PairView],
    *,
    licence: str,
    pack: bool,
    workers: int | WorkerPool = 1,
    progress: bool = True,
) -> None:
    """Write everything that is made from the images and the manifest, which must be in place.

    The same images, manifest and options give the same bytes. A pack that an earlier, killed run finished is kept.

    Args:
        stage: the dataset in the making.
        manifest: its manifest.
        views: what the report shows of every pair, by stem.
        licence: what the card says, a name or an address.
        pack: whether to write the pack.
        workers: number of processes, or a pool of them, that decode patches for the pack.
        progress: show progress on the terminal.

    Raises:
        SddBenchError: if a file can't be read or written.
    """
    folder = stage.path
    hashes = manifest_files(manifest)
    hashes[MANIFEST_NAME] = sha256(folder / MANIFEST_NAME)
    if pack:
        hashes[PACK_NAME] = _packed(stage, manifest, workers, progress)
    for name, rows in hub_tables(manifest).items():
        write_text(folder / table_path(name), table_text(rows))
        hashes[table_path(name)] = sha256(folder / table_path(name))
    write_bytes(folder / PREVIEW_NAME, draw_preview(folder, manifest))
    write_text(folder / CARD_NAME, card(manifest, licence, packed=pack))
    write_json(folder / CROISSANT_NAME, croissant(manifest, hashes, describe_dataset(manifest), licence))
    write_prepare_report(folder, manifest, views)
    hashes |= {name: sha256(folder / name) for name in (PREVIEW_NAME, CROISSANT_NAME, REPORT_NAME)}
    write_checksums(folder, hashes)


def _packed(stage: StagedFolder, manifest: DatasetManifest, workers: int | WorkerPool, progress: bool) -> str:
    item = f"/{PACK_NAME}"  # no pair is called so: stems hold no slash
    record = stage.done(item)
    if record is None or record["manifest_hash"] != manifest.manifest_hash:
        write_patch_pack(stage.path, manifest, workers=workers, progress=progress)
        record = {"manifest_hash": manifest.manifest_hash, "sha256": sha256(stage.path / PACK_NAME)}
        stage.finish(item, record)
    digest: str = record["sha256"]
    return digest
