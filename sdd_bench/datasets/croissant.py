"""`croissant.json`: a prepared dataset described in MLCommons Croissant 1.1, for machines.

The specification: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdd_bench.datasets.hub_tables import hub_tables, table_path
from sdd_bench.datasets.manifest import MANIFEST_NAME, DatasetManifest
from sdd_bench.datasets.pack import PACK_NAME

CROISSANT_NAME = "croissant.json"

# The specification's own context (appendix 1), which says what every key below stands for.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TABLES = {
    "train": "The pairs for training.",
    "val": "The pairs for validation.",
    "test": "The pairs for testing.",
    "train_patches": "The training patches, cut from the pairs for training; x and y are their top left corners.",
}
_COLUMNS = {
    "blur_file_name": ("sc:Text", "Path of the blurry image, relative to the table."),
    "gt_file_name": ("sc:Text", "Path of the sharp image, which may be misaligned with the blurry one."),
    "aligned_gt_file_name": ("sc:Text", "Path of the sharp image that is aligned with the blurry one."),
    "stem": ("sc:Text", "Name of the pair."),
    "scene": ("sc:Text", "Name of the scene; no scene is in two splits."),
    "environment": ("sc:Text", "indoor, outdoor or unknown."),
    "width": ("sc:Integer", "Width of both images, pixels."),
    "height": ("sc:Integer", "Height of both images, pixels."),
    "bit_depth": ("sc:Integer", "Bits per channel."),
    "index": ("sc:Integer", "Number of the patch in the grid of its image."),
    "x": ("sc:Integer", "Left edge of the patch, pixels."),
    "y": ("sc:Integer", "Top edge of the patch, pixels."),
}


def croissant(manifest: DatasetManifest, files: Mapping[str, str], description: str, licence: str) -> dict[str, Any]:
    """Describe a dataset.

    Args:
        manifest: of the dataset.
        files: SHA-256 by path of the manifest, the tables, and the pack where there is one.
        description: what the dataset is, a sentence or two.
        licence: its licence, a name or an address.

    Returns:
        What to write as JSON.
    """
    tables = hub_tables(manifest)
    listed = [MANIFEST_NAME, *map(table_path, tables), *([PACK_NAME] if PACK_NAME in files else [])]
    folders = sorted({path.rpartition("/")[0] for pair in manifest.pairs for path in pair.files})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": manifest.name,
        "description": description,
        "license": licence,
        "version": f"0.0.0+{manifest.manifest_hash[:12]}",
        "distribution": [
            *(_file(path, files[path]) for path in listed),
            *(_file_set(folder) for folder in folders),
        ],
        "recordSet": [
            *(_table(folder, list(rows[0])) for folder, rows in tables.items()),
            *(_images(folder) for folder in folders),
        ],
    }


def _file(path: str, digest: str) -> dict[str, Any]:
    kinds = {".json": "application/json", ".jsonl": "application/jsonlines", ".h5": "application/x-hdf5"}
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "encodingFormat": kinds[path[path.rindex(".") :]],
        "sha256": digest,
    }


def _file_set(folder: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": folder,
        "name": folder,
        "encodingFormat": "image/png",
        "includes": f"{folder}/*.png",
    }


def _table(folder: str, columns: list[str]) -> dict[str, Any]:
    def field(column: str) -> dict[str, Any]:
        kind, meaning = _COLUMNS[column]
        source = {"fileObject": {"@id": table_path(folder)}, "extract": {"column": column}}
        return _field(f"{folder}_table/{column}", kind, meaning, source)

    return {
        "@type": "cr:RecordSet",
        "@id": f"{folder}_table",
        "name": f"{folder}_table",
        "description": _TABLES[folder],
        "field": [field(column) for column in columns],
    }


def _images(folder: str) -> dict[str, Any]:
    name = f"{folder.replace('/', '_')}_images"

    def field(title: str, kind: str, meaning: str, what: str) -> dict[str, Any]:
        source = {"fileSet": {"@id": folder}, "extract": {"fileProperty": what}}
        return _field(f"{name}/{title}", kind, meaning, source)

    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The images of {folder}.",
        "field": [
            field(
                "file_name",
                "sc:Text",
                "Name of the file: the stem, for patches with their number, and .png.",
                "filename",
            ),
            field("image", "sc:ImageObject", "The image.", "content"),
        ],
    }


def _field(name: str, kind: str, meaning: str, source: dict[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": name, "name": name, "description": meaning, "dataType": kind, "source": source}
