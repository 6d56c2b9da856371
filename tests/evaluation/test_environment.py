import platform

import pytest

from sdd_bench.evaluation.environment import machine


@pytest.mark.parametrize(
    ("release", "shown"),
    [
        ("6.18.44-office-of-jane", "Linux 6.18.44"),
        ("10.0.19045", "Linux 10.0.19045"),
        ("5.15.", "Linux 5.15"),
        ("rolling", "Linux"),
    ],
)
def test_of_the_system_the_name_and_the_numbers_of_its_release_are_told(monkeypatch, release, shown):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "release", lambda: release)
    assert machine()["system"] == shown
