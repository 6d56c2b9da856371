import pytest

from sdd_bench.evaluation.display import show, show_difference, show_p
from sdd_bench.evaluation.results import group_means


def test_a_mean_is_shown_with_half_the_width_of_its_interval(image):
    mean = group_means([image(str(i), 20.0 + i) for i in range(11)])["all"].gt
    lower, upper = mean.intervals.psnr
    assert show(mean, "psnr") == f"25.00 ± {(upper - lower) / 2:.2f}"
    assert show(mean, "ssim") == "0.5000 ± 0.0000"
    assert show(mean, "lpips") == "n/a"
    assert show(None, "psnr") == "n/a"


def test_too_few_images_for_an_interval_show_the_mean_alone(image):
    assert show(group_means([image("a", 20.0)])["all"].gt, "psnr") == "20.00"


@pytest.mark.parametrize(
    ("difference", "interval", "metric", "expected"),
    [
        (0.114, (-0.051, 0.268), "psnr", ("0.11", "-0.05 to 0.27")),
        (0.52, None, "psnr", ("0.52", "n/a")),
        (0.0, (0.0, 0.0), "psnr", ("0.00", "0.00 to 0.00")),
        (0.14, (0.004, 0.27), "psnr", ("0.140", "0.004 to 0.270")),
        (1.0, (-0.0001, 2.0), "psnr", ("1.0000", "-0.0001 to 2.0000")),
        (1e-9, (-1e-9, 1e-9), "lpips", ("0.000000", "0.000000 to 0.000000")),
        (0.0123, (0.01, 0.0149), "lpips", ("0.012", "0.010 to 0.015")),
    ],
)
def test_a_difference_reads_as_zero_only_where_it_is(difference, interval, metric, expected):
    assert show_difference(difference, interval, metric) == expected


def test_p_values_have_three_decimals():
    assert [show_p(p) for p in (1.0, 0.0416, 0.001, 0.0009)] == ["p = 1.000", "p = 0.042", "p = 0.001", "p < 0.001"]
