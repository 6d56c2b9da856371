"""Oracle: ptlflow itself, with its own reader of images. Its import takes seconds: all tests that need it are here."""

import os
import sys
import tempfile
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage import data

from sdd_bench.alignment import flow
from sdd_bench.alignment.ptlflow_model import PtlflowFlow, load_ptlflow
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.errors import AlignmentError, WeightsError
from sdd_bench.io.hashing import sha256

pytestmark = pytest.mark.usefixtures("pwcnet_cache")


@contextmanager
def both_streams_in(file):
    """Whatever is written to stdout and stderr, also by C code, and by who kept sys.stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


@pytest.fixture(scope="module")
def loaded(pwcnet_cache):
    """The flow of ptlflow's own PWC-Net, and what was printed while it was made."""
    with tempfile.TemporaryFile("w+") as file:
        with both_streams_in(file):
            backend = load_ptlflow("pwcnet", pwcnet_cache / "pwcnet-ptlflow")
        file.seek(0)
        return backend, file.read()


@pytest.fixture(scope="module")
def pwcnet(loaded):
    return loaded[0]


@pytest.fixture(scope="module")
def small(loaded, tmp_path_factory):
    """Checkpoint of a small model with random values."""
    import ptlflow

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("raft") / "raft_small.ckpt"
    torch.save({"state_dict": ptlflow.get_model("raft_small").state_dict()}, file)
    return file


def views(height, width, dx=4, dy=-3):
    big = data.astronaut().astype(np.float32) / 255
    other = big[40 - dy : 40 - dy + height, 100 - dx : 100 - dx + width]
    return big[40 : 40 + height, 100 : 100 + width], other


def as_ptlflow_reads(folder, *pictures):
    """Pictures written to files and read, turned into tensors and given to a model as ptlflow's infer.py does it."""
    from ptlflow.utils.io_adapter import IOAdapter

    images = []
    for number, picture in enumerate(pictures):
        file = folder / f"{number}.png"
        cv2.imwrite(str(file), np.rint(picture[..., ::-1] * 255).astype(np.uint8))
        images.append(cv2.imread(str(file)))
    return IOAdapter(output_stride=64, input_size=images[0].shape[:2]).prepare_inputs(images)


def test_nothing_is_printed(loaded):
    assert loaded[1] == ""


@pytest.mark.parametrize("size", [(128, 192), (100, 150), (65, 129), (192, 128)])
def test_our_pwcnet_gives_ptlflows_flow(pwcnet, size):
    source, target = views(*size)
    ours, theirs = PwcNetFlow()(source, target), pwcnet(source, target)
    assert theirs.std(axis=(0, 1)).min() > 0.2
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_flow_of_a_batch_is_that_of_its_pairs(pwcnet):
    pairs = [views(128, 192), views(128, 192, dx=-6, dy=2)]
    source, target = (torch.from_numpy(np.stack(views)).movedim(3, 1) for views in zip(*pairs, strict=True))
    found = pwcnet.batch(source, target)
    assert found.shape == (2, 2, 128, 192) and found.dtype == torch.float32 and not found.is_inference()
    for flow_of_pair, pair in zip(found, pairs, strict=True):
        np.testing.assert_allclose(flow_of_pair.movedim(0, 2), pwcnet(*pair), atol=1e-4)


@pytest.mark.filterwarnings("ignore")  # of escape sequences, when Python compiles ptlflow's reader
def test_models_see_what_ptlflow_reads_from_files(small, tmp_path):
    import ptlflow

    source, target = views(128, 160)
    model = ptlflow.restore_model(ptlflow.get_model("raft_small"), str(small)).eval()
    with torch.inference_mode():
        expected = model(as_ptlflow_reads(tmp_path, source, target))["flows"][0, 0].permute(1, 2, 0)
    found = flow("raft_small", checkpoint=small)(source, target)
    assert found.shape == (128, 160, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["pwcnet", "raft_small"])
def test_swapping_red_and_blue_changes_the_flow(pwcnet, small, name):
    backend = pwcnet if name == "pwcnet" else flow(name, checkpoint=small)
    source, target = views(128, 160)
    swapped = backend(source[..., ::-1], target[..., ::-1])
    assert np.abs(backend(source, target) - swapped).mean() > 0.01


def test_the_backend_is_frozen_data_without_path_and_device(small):
    backend = load_ptlflow("raft_small", str(small))
    assert backend.model_dump() == {"name": "raft_small", "weights_sha256": sha256(small)}
    assert backend.on("cuda").device == "cuda"
    assert backend.on("cuda").model_dump() == backend.model_dump()
    with pytest.raises(ValidationError):
        backend.name = "raft"


def test_unknown_models_name_the_nearest(small):
    with pytest.raises(AlignmentError, match=r"unknown model of ptlflow 'raft_smal'. Did you mean raft_small"):
        flow("raft_smal", checkpoint=small)


def test_a_checkpoint_of_another_model_is_refused(pwcnet_cache, loaded):
    with pytest.raises(WeightsError, match="is no checkpoint of ptlflow's model raft_small"):
        flow("raft_small", checkpoint=pwcnet_cache / "pwcnet-ptlflow")


@pytest.mark.parametrize(
    ("content", "message"), [(b"<!DOCTYPE html>", "HTML page"), (b"PK\x03\x04abc", "truncated"), (b"", "empty")]
)
def test_a_damaged_checkpoint_is_refused(loaded, tmp_path, content, message):
    file = tmp_path / "raft_small.ckpt"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        flow("raft_small", checkpoint=file)


def test_a_changed_checkpoint_is_refused(small, tmp_path):
    backend = PtlflowFlow(name="raft_small", weights_sha256="0" * 64, checkpoint=small)
    with pytest.raises(WeightsError, match="has changed since it was chosen: expected SHA-256 000"):
        backend(*views(128, 160))


def test_nothing_is_downloaded(small):
    """This model would fetch a ResNet although a checkpoint is at hand."""
    with pytest.raises(AlignmentError, match=r"can't build its model memfof.*would download http"):
        flow("memfof", checkpoint=small)


def test_a_model_that_fails_says_so(small):
    backend = flow("raft_small", checkpoint=small)
    with pytest.raises(AlignmentError, match=r"raft_small failed on pictures N x 3 x H x W = \(1, 3, 1, 1\)"):
        backend(*views(1, 1))
