"""The algebra of similarities: what composition, inverse, flow and the covariance of both are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment import Similarity

SHAPE = (300, 400, 3)

similarities = st.builds(
    Similarity,
    st.floats(0.5, 2),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.just(None),
    rotation=st.just(0.0) | st.floats(-1, 1),
)


def parameters(similarity):
    return np.array([similarity.zoom, *similarity.shift, similarity.rotation])


@given(similarities)
def test_inverse_undoes(s):
    np.testing.assert_allclose(parameters(s.compose(s.inverse())), [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(parameters(s.inverse().compose(s)), [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(parameters(s.inverse().inverse()), parameters(s), rtol=1e-12, atol=1e-12)


@given(similarities, similarities, similarities)
def test_composition_is_associative(a, b, c):
    np.testing.assert_allclose(
        parameters(a.compose(b).compose(c)), parameters(a.compose(b.compose(c))), rtol=1e-12, atol=1e-10
    )


@given(similarities)
def test_identity_is_neutral(s):
    identity = Similarity(1.0, (0.0, 0.0))
    assert np.array_equal(parameters(s.compose(identity)), parameters(s))
    assert np.array_equal(parameters(identity.compose(s)), parameters(s))


@given(similarities, similarities, st.floats(-100, 500), st.floats(-100, 500))
def test_composition_applies_this_one_first(first, then, x, y):
    point = np.array([x, y])
    expected = then.apply(first.apply(point, SHAPE), SHAPE)
    np.testing.assert_allclose(first.compose(then).apply(point, SHAPE), expected, rtol=1e-12, atol=1e-9)


def test_rotation_turns_the_x_axis_towards_the_y_axis():
    s = Similarity(2.0, (0.0, 0.0), rotation=np.pi / 2)
    np.testing.assert_allclose(s.apply(np.array([199.5 + 10, 149.5]), SHAPE), [199.5, 149.5 + 20])


def test_apply_follows_the_definition():
    # x' = c + zoom (x - c) + shift with c = ((W - 1) / 2, (H - 1) / 2) = (199.5, 149.5)
    s = Similarity(1.1, (3.0, -2.0))
    np.testing.assert_allclose(s.apply(np.array([199.5, 149.5]), SHAPE), [202.5, 147.5])
    np.testing.assert_allclose(s.apply(np.array([[0, 0]]), SHAPE), [[199.5 - 219.45 + 3, 149.5 - 164.45 - 2]])


@given(similarities)
def test_flow_takes_pixels_where_apply_puts_them(s):
    y, x = np.mgrid[0:30, 0:40]
    pixels = np.dstack([x, y]).astype(float)
    flow = s.flow((30, 40, 3))
    assert flow.dtype == np.float32
    np.testing.assert_allclose(pixels + flow, s.apply(pixels, (30, 40)), atol=1e-5)


def numerical_jacobian(function, at, step=1e-6):
    return np.stack([(function(at + e) - function(at - e)) / (2 * step) for e in np.eye(len(at)) * step], axis=1)


@pytest.mark.parametrize("rotation", [(), (0.4,)])
def test_covariance_is_carried_to_first_order(rotation):
    # Oracle: the Jacobian by finite differences of the parameters alone.
    def build(p, covariance=None):
        return Similarity(p[0], (p[1], p[2]), covariance, rotation=p[3] if len(p) > 3 else 0.0)

    size = 3 + len(rotation)

    def read(similarity):
        return parameters(similarity)[:size]

    rng = np.random.default_rng(0)
    a, b = np.array([1.02, 5.0, -3.0, *rotation]), np.array([0.97, -8.0, 2.0, *(-0.7 * r for r in rotation)])
    ca, cb = (m @ m.T for m in rng.normal(size=(2, size, size)))
    by = numerical_jacobian(lambda p: read(build(p).inverse()), a)
    np.testing.assert_allclose(build(a, ca).inverse().covariance, by @ ca @ by.T, rtol=1e-6)
    by_a = numerical_jacobian(lambda p: read(build(p).compose(build(b))), a)
    by_b = numerical_jacobian(lambda p: read(build(a).compose(build(p))), b)
    expected = by_a @ ca @ by_a.T + by_b @ cb @ by_b.T
    np.testing.assert_allclose(build(a, ca).compose(build(b, cb)).covariance, expected, rtol=1e-6)
    assert build(a, ca).compose(build(b)).covariance is None


def test_a_rotation_that_is_known_to_be_none_adds_no_error():
    turned = Similarity(1.0, (0.0, 0.0), np.diag([1.0, 2.0, 3.0, 4.0]), rotation=0.0)
    straight = Similarity(1.0, (0.0, 0.0), np.diag([10.0, 20.0, 30.0]))
    expected = np.diag([11.0, 22.0, 33.0, 4.0])
    np.testing.assert_allclose(turned.compose(straight).covariance, expected)
    np.testing.assert_allclose(straight.compose(turned).covariance, expected)


def test_composition_with_an_undecided_estimate_is_undecided():
    good = Similarity(1.0, (0.0, 0.0), inlier_share=0.9)
    bad = Similarity(np.nan, (np.nan, np.nan), None, 0.0, converged=False, reason="no texture")
    for both in (good.compose(bad), bad.compose(good), bad.inverse()):
        assert not both.converged
        assert both.reason == "no texture"
        assert both.inlier_share == 0
