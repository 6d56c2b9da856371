"""What a method takes, from the result of its predictions into what an entry says of it."""

from __future__ import annotations

from pydantic import ValidationError

from sdd_bench.errors import ProblemsError
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.leaderboard.records import Method


def with_cost(method: Method, result: EvaluationResult) -> Method:
    """A method with the parameters and the time that its result has, where it does not say them itself.

    Args:
        method: as its makers describe it.
        result: of its predictions; `sdd_bench.predict` may have noted what they took.

    Raises:
        ProblemsError: if what the result has can't be said of a method.
    """
    cost = result.run.cost
    if cost is None:
        return method
    found = method.model_dump()
    if method.parameters is None:
        found["parameters"] = cost.parameters
    if method.seconds_per_megapixel is None:  # a time and what it was measured on are of one origin
        found |= cost.model_dump(include={"seconds_per_megapixel", "machine", "threads"})
    try:
        return Method.model_validate(found)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'method'}: {one['msg']}" for one in error.errors()]
        raise ProblemsError("what the result says that the method takes (run.cost)", problems) from error
