import math
import re

import numpy as np
import pytest

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.analysis.charts import displacement_quiver, field_quiver, median_field, scatter
from sdd_bench.analysis.records import Field, PairAnalysis, SimilarityRecord


def pair(stem, zoom=1.01, shift=(3.0, 4.0), covariance=None, field=None):
    record = SimilarityRecord(
        zoom=zoom,
        shift=shift,
        covariance=covariance,
        inlier_share=1.0,
        corner=5.0,
        corner_sd=None,
        zoom_rms=1.0,
        dominant="shift",
    )
    return PairAnalysis(
        stem=stem,
        scene=stem,
        environment="indoor",
        split="test",
        size=(400, 200),
        similarity=record,
        residual=None,
        reason="not measured",
        field=field,
    )


def numbers(path):
    return np.array([float(text) for text in re.findall(r"-?\d+\.\d+", path)]).reshape(-1, 2)


def test_pairs_lie_at_their_zoom_and_the_length_of_their_shift():
    chart = scatter([("indoor", pair("a")), ("indoor", pair("b", 0.99, (0.0, 1.0)))])
    first, second = chart.points
    assert (chart.zoom.low, chart.zoom.high) == (-1, 1)
    assert first.x == pytest.approx(100)
    assert first.y == pytest.approx(100 * 5 / chart.shift.high)
    assert second.x == pytest.approx(0)
    assert first.ellipse == ""
    assert "zoom 1.000 %, shift 3.00, 4.00 px" in first.label


def test_an_ellipse_reaches_as_far_as_the_deviation_along_the_shift_times_the_enlargement():
    sd = (1e-4, 0.03, 0.04)
    covariance = np.diag(np.square(sd)).tolist()
    chart = scatter([("indoor", pair("a", covariance=covariance))])
    (point,) = chart.points
    outline = numbers(point.ellipse)
    # 95 % of a plane normal distribution lie within 2.4477 standard deviations (chi-squared, two degrees of freedom).
    reach = 2.4477 * chart.enlarged
    along = math.hypot(0.6 * sd[1], 0.8 * sd[2])
    half_height = reach * along * 100 / (chart.shift.high - chart.shift.low)
    half_width = reach * sd[0] * 100 * 100 / (chart.zoom.high - chart.zoom.low)
    assert np.abs(outline[:, 1] - (100 - point.y)).max() == pytest.approx(half_height, rel=0.02, abs=0.02)
    assert np.abs(outline[:, 0] - point.x).max() == pytest.approx(half_width, rel=0.02, abs=0.02)
    assert chart.enlarged in {1, 2, 5, 10, 20, 50, 100}


def test_without_any_similarity_there_is_no_scatter_plot():
    lost = pair("a").model_copy(update={"similarity": None})
    assert scatter([("indoor", lost)]) is None


def test_arrows_of_a_zoom_point_away_from_the_centre():
    quiver = displacement_quiver(Similarity(1.02, (0.0, 0.0)), (400, 200))
    assert quiver.height == 50
    for part in re.findall(r"M[^ML]+ [^ML]+L[^ML]+(?=M|$)", quiver.path):
        start, end = numbers(part)
        outwards = start - (50, 25)
        assert (end - start) @ outwards >= -0.05


def test_arrows_are_as_long_as_displacements_times_the_stated_factor():
    quiver = displacement_quiver(Similarity(1.0, (4.0, 0.0)), (400, 200))
    start, end = numbers(quiver.path)[:2]
    assert end[0] - start[0] == pytest.approx(quiver.enlarged * 4 * 100 / 400, abs=0.02)
    assert end[0] - start[0] <= 5.01


def test_arrows_of_no_displacement_are_not_enlarged_without_end():
    assert displacement_quiver(Similarity(1.0, (0.0, 0.0)), (400, 200)).enlarged == 1000


def test_cells_without_a_value_have_no_arrow():
    field = Field(columns=2, rows=1, flow=(None, (0.5, 0.0)))
    assert field_quiver(field, (400, 200)).path.startswith("M75.00 25.00")
    assert field_quiver(field.model_copy(update={"flow": (None, None)}), (400, 200)) is None


def test_what_fields_have_in_common_is_their_median_where_most_have_one():
    flows = [((1.0, 0.0), None), ((2.0, 0.0), None), ((9.0, 3.0), (1.0, 1.0))]
    pairs = [pair(str(i), field=Field(columns=2, rows=1, flow=flow)) for i, flow in enumerate(flows)]
    assert median_field(pairs).flow == ((2.0, 0.0), None)
    assert median_field(pairs[:2]) is None
