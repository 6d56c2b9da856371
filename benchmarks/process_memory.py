"""What a process holds in memory, as Linux counts it, for the benchmarks."""

from __future__ import annotations

from pathlib import Path


def held() -> float:
    """Memory that this process holds now, in MB (10^6 bytes)."""
    return _status("VmRSS")


def peak() -> float:
    """The most that it has held since it began, or since `forget_peak`, in MB."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the peak fall to what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024 / 1e6
