"""What a training run says about itself, epoch by epoch: a CSV file and TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdd_bench.io.atomic import output_errors, write_text

CSV_NAME = "log.csv"
BOARD_NAME = "tensorboard"
_FIRST = ("epoch", "steps", "seconds", "learning_rate", "loss")
_LAST = ("validation_psnr", "best")


class Log:
    """The log of a run; a run that is resumed goes on with the rows it had.

    Args:
        run: the run's folder.
        rows: of the epochs before, oldest first.

    Raises:
        OutputError: it can't be written.
    """

    def __init__(self, run: Path, rows: list[dict[str, Any]]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.rows = rows
        self._run = run
        # What a killed run wrote beyond its last checkpoint is written again, and must not be there twice.
        with output_errors(run / BOARD_NAME):
            self._board = SummaryWriter(str(run / BOARD_NAME), purge_step=len(rows))
        self._write()

    def add(self, row: Mapping[str, Any], strip: Path | None) -> None:
        """Adds an epoch.

        Args:
            row: values by name.
            strip: a PNG file to show beside them.

        Raises:
            OutputError: it can't be written.
        """
        from sdd_bench.io.images import read_image

        self.rows.append(dict(row))
        self._write()
        with output_errors(self._run / BOARD_NAME):
            for name, value in row.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, row["epoch"])
            if strip is not None:
                self._board.add_image("strip", read_image(strip), row["epoch"], dataformats="HWC")
            self._board.flush()

    def close(self) -> None:
        """Closes the TensorBoard file."""
        with output_errors(self._run / BOARD_NAME):
            self._board.close()

    def _write(self) -> None:
        between = sorted({name for row in self.rows for name in row} - {*_FIRST, *_LAST})
        text = io.StringIO()
        writer = csv.DictWriter(text, [*_FIRST, *between, *_LAST], lineterminator="\n", restval="")
        writer.writeheader()
        for row in self.rows:
            writer.writerow(
                {name: f"{value:.8g}" if isinstance(value, float) else value for name, value in row.items()}
            )
        write_text(self._run / CSV_NAME, text.getvalue())
