from rich.console import Console

from sdd_bench.cli.tables import result_table


def printed(table):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_result_with_every_reference_and_metric_fits_100_columns(image, result):
    rows = [image(str(i), 20.0 + i, "indoor" if i < 7 else "outdoor", lpips=0.1 + i / 100) for i in range(35)]
    rows = [row.model_copy(update={"aligned_gt": row.gt}) for row in rows]
    lines = printed(result_table(result(rows))).splitlines()
    assert sum("true aligned GT" in line for line in lines) == 3  # no cell is folded
    assert all(line.count("±") == 4 for line in lines if "GT  " in line)
    assert "95 % bootstrap interval" in lines[-1]


def test_a_result_of_few_images_says_nothing_of_intervals(image, result):
    text = printed(result_table(result([image("a", 20.0)])))
    assert "20.00" in text
    assert "±" not in text
