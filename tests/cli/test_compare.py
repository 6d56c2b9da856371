import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.evaluation.comparison import Comparison

GAINS = (0.4, 0.5, 0.6, 0.5, 0.4, 0.6, 0.7)


@pytest.fixture
def folder(image, result, tmp_path):
    """Results of three methods: B is better than A by 0.53 dB on every image, C as good as A."""
    for name, gains in (("A", [0.0] * 7), ("B", GAINS), ("C", [0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.0])):
        rows = [image(f"s{i}", 20.0 + i + gain, lpips=0.1 + i / 100) for i, gain in enumerate(gains)]
        result(rows, name).save(tmp_path / "results" / name)
    return tmp_path / "results"


def run(*arguments):
    # Wide enough that no line of the table is folded.
    return CliRunner().invoke(main, ["compare", *map(str, arguments)], env={"COLUMNS": "100"})


def test_every_pair_has_a_row_and_a_sentence(folder):
    done = run(folder / "A", folder / "B" / "result.json")
    assert done.exit_code == 0
    assert "On 7 images B is better than A by 0.53 dB (95 % interval 0." in done.stdout
    assert "7 of 7 images compared" in done.stdout
    assert "7/0/0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert run(folder).stdout.count("On 7 images") == 3


def test_a_comparison_can_be_written_for_machines(folder, tmp_path):
    done = run(folder, "--metric", "psnr", "--metric", "lpips", "--group", "indoor", "--json", tmp_path / "c.json")
    assert done.exit_code == 0
    written = Comparison.model_validate_json((tmp_path / "c.json").read_text())
    assert [by.metric for by in written.metrics] == ["psnr", "lpips"]
    assert written.metrics[0].pairs[0].advantage == pytest.approx(sum(GAINS) / 7)


def test_left_out_images_are_named(folder, image, result):
    rows = [image(f"s{i}", 21.0 + i) for i in range(6)]
    result([*rows, image("s6", 0.0, error="no [scene] in common")], "D").save(folder / "D")
    done = run(folder / "A", folder / "D")
    assert "6 of 7 images compared" in done.stdout
    assert "left out: s6 (D: no [scene] in common)" in done.stdout
    assert "On 6 images D is better than A by 1.00 dB" in done.stdout


def test_results_of_several_protocols_need_a_choice(folder, image, result):
    for name in "AB":
        rows = [image(f"s{i}", 20.0 + i) for i in range(7)]
        result(rows, name, protocol="dpdd2020").save(folder / name / "dpdd2020")
    mixed = run(folder)
    assert mixed.exit_code == 1
    assert "1 problem(s)" in mixed.stderr
    assert "different protocols" in mixed.stderr
    chosen = run(folder, "--protocol", "dpdd2020")
    assert "On 7 images A and B can't be told apart" in chosen.stdout
    unknown = run(folder, "--protocol", "dpdd2021")
    assert unknown.exit_code == 1
    assert "Did you mean dpdd2020" in unknown.stderr


def test_markup_in_names_stays_text(image, result, tmp_path):
    for name, gain in (("[red]x[/red]", 0.0), (":smile:", 1.0)):
        result([image(f"s{i}", 20.0 + i + gain) for i in range(7)], name).save(tmp_path / name.strip("[:/]"))
    done = run(tmp_path)
    assert "On 7 images :smile: is better than [red]x[/red] by 1.00 dB" in done.stdout
    assert done.stdout.count("[red]x[/red]") == 2
