"""The tables of the recovery study, from the records of its runs."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import recovery_tables
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return recovery_tables


def run(strength, method, seed, psnr, budget="laptop"):
    machine = {"machine": "one", "threads": 1}
    maps = {"module_radius": None, "module_map": None, "estimator_map": None, "smoothness_map": 0.16}
    scores = {"psnr": psnr, "ssim": psnr / 40, "input_psnr": 31.0, "input_ssim": 0.94, "deformation": None}
    return {
        "budget": budget,
        "strength": strength,
        "method": method,
        "seed": seed,
        "seconds": 9.0,
        **scores,
        **maps,
        **machine,
    }


RUNS = [
    *(run("aligned", "ceiling", seed, 33.0) for seed in range(3)),
    *(run("strong", "plain", seed, 23.0) for seed in range(3)),
    *(run("strong", "jdrl-0.1", seed, psnr) for seed, psnr in enumerate((31.0, 32.0, 33.0))),
    *(run("mild", "jdrl-0.1", seed, 32.0) for seed in range(2)),
]


def test_the_page_has_the_tables_of_the_records(study):
    runs = study.read_records()
    assert len(runs) == len({(r["budget"], r["strength"], r["method"], r["seed"]) for r in runs}) > 20
    assert f"<!-- tables -->\n\n{study.tables(runs)}\n<!-- end of tables -->" in study.REPORT.read_text("utf-8")


def test_the_gap_is_told_seed_by_seed_with_the_ceiling_of_all_strengths(study):
    assert study.gaps(study.at(RUNS, "strong"), "jdrl-0.1") == pytest.approx([0.8, 0.9, 1.0])
    assert study.gaps(study.at(RUNS, "mild"), "jdrl-0.1") == []  # nothing plain to hold it against
    tables = study.tables(RUNS)
    # Student's t with two degrees of freedom: 4.303 x 0.1 / sqrt(3).
    assert "| jdrl-0.1 |  |  | 0.90 ± 0.25 | 0.90 ± 0.25 |" in tables
    assert "| ceiling | 3 | 33.00 ± 0.00 | +1.00 ± 2.48 |" in tables.partition("### strong")[2].partition("###")[0]
    assert "| ceiling | 3 | 33.00 ± 0.00 | +1.00 ± 0.00 |" in tables.partition("### mild")[2]


def test_later_runs_replace_earlier_ones_of_the_same_kind_only(study, tmp_path):
    again = run("strong", "plain", 1, 24.0)
    merged = study.merge(RUNS, [again, run("strong", "plain", 1, 25.0, budget="gpu")])
    assert len(merged) == len(RUNS) + 1
    assert again in merged
    study.write_records(merged, tmp_path / "runs.jsonl")
    assert study.read_records(tmp_path / "runs.jsonl") == merged
    assert study.read_records(tmp_path / "none.jsonl") == []


def test_what_some_runs_lack_is_not_passed_over(study):
    runs = [
        {**run("strong", "jdrl", 0, 31.0), "module_map": 0.2, "deformation": 0.5},
        {**run("strong", "jdrl", 1, 31.0), "module_map": 0.3, "machine": "another"},
    ]
    (row,) = (line for line in study.tables(runs).splitlines() if line.startswith("| jdrl | 2"))
    assert row.endswith("| 0.50 (1 of 2) |  | 0.25 |  | several machines |")


@pytest.mark.parametrize("runs", [RUNS, RUNS[:3], RUNS[-2:], [run("strong", "jdrl", 0, 32.0)]])
def test_the_figure_is_drawn_from_whatever_there_is(study, tmp_path, runs):
    study.draw(runs, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
