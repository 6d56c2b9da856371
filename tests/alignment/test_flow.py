import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from skimage import data

from sdd_bench.alignment import flow, warp
from sdd_bench.alignment.flow import DisFlow, FarnebackFlow
from sdd_bench.errors import AlignmentError, WeightsError

NAMES = ["dis", "dis-refined", "farneback"]


def photograph(height=160, width=200):
    return np.ascontiguousarray(data.astronaut()[40 : 40 + height, 120 : 120 + width]).astype(np.float32) / 255


def shifted_views(dx, dy, height=160, width=200):
    """Two windows of one photograph: a pixel of the first is found at (+dx, +dy) in the second."""
    big = data.astronaut()[60:, 100:].astype(np.float32) / 255
    return big[20 : 20 + height, 20 : 20 + width].copy(), big[
        20 - dy : 20 - dy + height, 20 - dx : 20 - dx + width
    ].copy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (0, 2), (-4, 3)])
def test_shift_of_whole_pixels_comes_back_with_its_sign(name, dx, dy):
    source, target = shifted_views(dx, dy)
    found = flow(name)(source, target)
    assert found.shape == (160, 200, 2)
    assert found.dtype == np.float32
    inside = found[20:-20, 20:-20].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inside, axis=0), (dx, dy), atol=0.06)
    # The convention of `warp`: target(x + F(x)) is the source.
    assert np.abs(warp(target, found) - source)[20:-20, 20:-20].mean() < 0.3 * np.abs(target - source).mean()


@pytest.mark.parametrize("name", NAMES)
def test_swapping_source_and_target_flips_the_sign(name):
    source, target = shifted_views(3, -2)
    forward, backward = flow(name)(source, target), flow(name)(target, source)
    total = np.median((forward + backward)[20:-20, 20:-20].reshape(-1, 2), axis=0)
    np.testing.assert_allclose(total, 0, atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_constant_pictures_give_finite_flow(name):
    flat = np.full((96, 128, 3), 0.5, np.float32)
    assert np.isfinite(flow(name)(flat, flat)).all()
    assert np.isfinite(flow(name)(flat, photograph(96, 128))).all()


@pytest.mark.parametrize("name", NAMES)
def test_result_does_not_depend_on_the_number_of_threads(name):
    source, target = shifted_views(3, -2)
    before = cv2.getNumThreads()
    try:
        results = []
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            results.append(flow(name)(source, target))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@pytest.mark.parametrize("name", NAMES)
def test_gray_is_made_with_the_weights_of_red_green_and_blue(name):
    def made_gray(picture, weights):
        return np.repeat((picture @ np.array(weights))[..., None], 3, axis=2).astype(np.float32)

    # The photograph with its blue turned around: it matters which channel gets which weight.
    source, target = (np.dstack([v[..., 0], v[..., 1], 1 - v[..., 2]]) for v in shifted_views(3, -2))
    found = flow(name)(source, target)
    # A refined flow depends less on what its search found.
    different = 1e-3 if name == "dis-refined" else 0.01
    for weights, same in (((0.299, 0.587, 0.114), True), ((0.114, 0.587, 0.299), False)):
        other = flow(name)(made_gray(source, weights), made_gray(target, weights))
        off = np.abs(found - other).mean()
        assert (off < 5e-4) if same else (off >= different)


def test_dis_defaults_are_opencvs_medium_preset():
    preset, ours = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), DisFlow()
    assert ours.finest_scale == preset.getFinestScale()
    assert ours.gradient_descent_iterations == preset.getGradientDescentIterations()
    assert ours.variational_refinement_iterations == preset.getVariationalRefinementIterations()
    assert ours.alpha == preset.getVariationalRefinementAlpha()
    assert ours.delta == preset.getVariationalRefinementDelta()
    assert ours.gamma == preset.getVariationalRefinementGamma()
    assert ours.patch_size == preset.getPatchSize()
    assert ours.patch_stride == preset.getPatchStride()
    assert ours.use_spatial_propagation == preset.getUseSpatialPropagation()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("finest_scale", 0),
        ("gradient_descent_iterations", 2),
        ("variational_refinement_iterations", 0),
        ("alpha", 400.0),
        ("delta", 0.5),
        ("gamma", 60.0),
        ("patch_size", 12),
        ("patch_stride", 7),
        ("use_spatial_propagation", False),
    ],
)
def test_every_dis_parameter_has_an_effect(name, value):
    source, target = shifted_views(3, -2)
    assert not np.array_equal(DisFlow(**{name: value})(source, target), DisFlow()(source, target))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pyramid_scale", 0.7),
        ("levels", 1),
        ("window_size", 25),
        ("iterations", 1),
        ("polynomial_size", 7),
        ("polynomial_sigma", 1.5),
    ],
)
def test_every_farneback_parameter_has_an_effect(name, value):
    source, target = shifted_views(3, -2)
    assert not np.array_equal(FarnebackFlow(**{name: value})(source, target), FarnebackFlow()(source, target))


def test_backends_are_frozen_data_that_survives_a_round_trip():
    backend = DisFlow(finest_scale=0, alpha=80)
    assert DisFlow.model_validate_json(backend.model_dump_json()) == backend
    assert backend.model_dump()["name"] == "dis"
    with pytest.raises(ValidationError):
        backend.alpha = 3
    with pytest.raises(ValidationError):
        DisFlow(alfa=3)
    with pytest.raises(ValidationError):
        DisFlow(patch_size=2)


def test_flow_and_warp_stay_functions_after_their_modules_were_imported():
    import sdd_bench.alignment.flow
    import sdd_bench.alignment.warp

    assert callable(sdd_bench.alignment.flow)
    assert callable(sdd_bench.alignment.warp)


def test_unknown_backend_names_the_nearest():
    with pytest.raises(AlignmentError, match="Did you mean farneback"):
        flow("farnback")


def test_a_model_of_ptlflow_needs_a_checkpoint_that_is_there(tmp_path):
    with pytest.raises(AlignmentError, match=r"'raft_small'.*A model of ptlflow needs a checkpoint beside its name"):
        flow("raft_small")
    with pytest.raises(WeightsError, match=r"raft\.ckpt is no file.*'raft_small' needs a checkpoint"):
        flow("raft_small", checkpoint=tmp_path / "raft.ckpt")


@pytest.mark.parametrize("name", [*NAMES, "pwcnet"])
def test_other_flows_take_no_checkpoint(tmp_path, name):
    with pytest.raises(AlignmentError, match=f"'{name}' takes no checkpoint"):
        flow(name, checkpoint=tmp_path / "file.ckpt")


@pytest.mark.parametrize("name", NAMES)
def test_opencv_has_no_weights_and_computes_on_the_cpu_whatever_the_device(name):
    assert flow(name).on("cuda") == flow(name)
    assert flow(name).weights_sha256 is None
    assert "weights_sha256" not in flow(name).model_dump()


@pytest.mark.parametrize("shape", [(63, 300), (300, 63), (10, 200), (8, 8)])
def test_pictures_too_small_for_dis_are_refused(shape):
    small = np.zeros((*shape, 3), np.float32)
    with pytest.raises(AlignmentError, match="at least 64 pixels"):
        flow("dis")(small, small)


@pytest.mark.parametrize("shape", [(64, 64), (64, 640), (640, 64)])
def test_smallest_pictures_for_dis_work(shape):
    texture = np.random.default_rng(0).random((*shape, 3)).astype(np.float32)
    found = flow("dis")(texture, np.roll(texture, 1, axis=1))
    assert np.median(found[..., 0]) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (photograph(), photograph()[:-1], "differ in shape"),
        (photograph()[..., 0], photograph()[..., 0], "H x W x 3"),
        ((photograph() * 255).astype(np.uint8), photograph(), "float32 source"),
        (photograph(), photograph() * np.float32(np.nan), "target contains NaN"),
    ],
)
def test_unfit_input_is_named(name, source, target, message):
    with pytest.raises(AlignmentError, match=message):
        flow(name)(source, target)
