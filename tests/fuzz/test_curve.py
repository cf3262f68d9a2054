"""No crafted object makes krtld slower, or larger, than n log n: counted in steps, without a clock."""

from __future__ import annotations

from typing import Any

import curve
import pytest

SIZES = (500, 1000, 2000)


@pytest.mark.parametrize("case", curve.cases())
def test_steps_and_memory_grow_no_faster_than_n_log_n(case: str) -> None:
    results = [curve.measure(curve.STEPS, case, n) for n in SIZES]
    for what in ("steps", "memory"):
        assert not curve.grows_too_fast(results, what), curve.factors(results, what)


def test_a_square_is_seen_as_one() -> None:
    """The failing twin: made-up figures of something quadratic, and of n log n."""
    square: list[dict[str, Any]] = [{"bytes": n, "steps": n * n} for n in SIZES]
    line: list[dict[str, Any]] = [{"bytes": n, "steps": n * n.bit_length()} for n in SIZES]
    assert curve.grows_too_fast(square, "steps")
    assert not curve.grows_too_fast(line, "steps")
