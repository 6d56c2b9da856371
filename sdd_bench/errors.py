"""Everything users can get wrong: one exception per subject, one message that says what to do.

Every message names what was found, what was expected and the way out. Commands print it and exit with code 1; nothing
here is ever caught to carry on with something else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SddBenchError(Exception):
    """Base of all errors that are a matter between the user and their input, not a defect of this software."""


class ImageError(SddBenchError):
    """An image file can't be read or written as what it claims to be."""


class DatasetError(SddBenchError):
    """A dataset, its manifest or its layout is not what was expected."""


class ProtocolError(SddBenchError):
    """An evaluation protocol is unknown or can't be applied to this input."""


class AlignmentError(SddBenchError):
    """A flow backend is unknown or two pictures can't be aligned."""


class MetricError(SddBenchError):
    """A metric was given arrays it is not defined for."""


class WeightsError(SddBenchError):
    """A weight file is missing, damaged or not the one it should be."""


class ResultError(SddBenchError):
    """A result file can't be read or can't be combined with the others."""


class SubmissionError(SddBenchError):
    """A submission's archive is not one that is read."""


class OutputError(SddBenchError):
    """An output can't be written, or would overwrite something that is not ours."""


class WorkerError(SddBenchError):
    """A worker process or a cluster can't do the work it was given."""


class ModelError(SddBenchError):
    """A model is unknown, or its checkpoint is not the one it should be."""


class TrainingError(SddBenchError):
    """A part of training was given tensors or parameters it is not defined for."""


class DeviceError(SddBenchError):
    """A device to compute on is not there."""


class PredictionError(SddBenchError):
    """A method can't be run as asked, or what it made is no picture."""


class ProblemsError(SddBenchError):
    """Several problems of one input, found before any work, in one report.

    Attributes:
        title: what was checked, one line.
        problems: one line per problem.
    """

    def __init__(self, title: str, problems: Sequence[str]) -> None:
        self.title = title
        self.problems = list(problems)
        super().__init__("\n".join([f"{title}: {len(self.problems)} problem(s)", *(f"  - {p}" for p in self.problems)]))

    def __reduce__(self) -> tuple[type[ProblemsError], tuple[str, list[str]]]:
        """Crosses process borders whole: an exception's own pickling would pass only the message."""
        return type(self), (self.title, self.problems)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for an unknown name: the nearest known ones first, then all of them.

    Args:
        kind: what the name stands for, for example ``"protocol"``.
        name: what was given.
        known: all names that would have been accepted.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}."
