"""Weights that are fetched, from a server that does not always do what it should."""

import os

import pytest

from sdd_bench import weights
from sdd_bench.errors import OutputError, WeightsError


def test_a_download_is_verified_and_reported_and_done_once(known, server, left_over, good):
    known(server.url)
    server.plan = ["redirect"]
    seen = []
    path = weights.fetch("small", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == good
    assert seen[-1] == (len(good), len(good))
    assert seen == sorted(seen)
    assert weights.fetch("small") == path
    assert len(server.ranges) == 2
    assert left_over() == ["small.pth", "small.pth.sha256"]


@pytest.mark.parametrize(
    ("plan", "resumed"),
    [
        (["drop"], True),
        (["drop", "drop", 503], True),
        ([429, 500, "drop"], True),
        (["drop", "whole"], True),
        (["drop", "other part"], False),
    ],
)
def test_a_dropped_download_goes_on_where_it_stopped(known, server, plan, resumed, good):
    known(server.url)
    server.plan = plan
    assert weights.fetch("small").read_bytes() == good
    starts = [int(r.removeprefix("bytes=").removesuffix("-")) for r in server.ranges if r]
    assert starts
    assert (server.ranges[-1] is not None) == resumed


def test_a_later_call_goes_on_with_what_an_earlier_one_left(cache, known, server, left_over, good):
    known(server.url)
    server.plan = ["drop"] + [500] * 4
    with pytest.raises(WeightsError, match=r"Tried 5 times.*kept"):
        weights.fetch("small")
    assert left_over() == ["small.pth.part"]
    there = (cache / "small.pth.part").stat().st_size
    assert 0 < there < len(good)
    server.ranges.clear()
    assert weights.fetch("small").read_bytes() == good
    assert server.ranges == [f"bytes={there}-"]


@pytest.mark.parametrize(
    ("part", "requests"),
    [(lambda good: good, 1), (lambda good: good + b"more", 2), (lambda good: bytes(len(good) + 9), 2)],
)
def test_a_part_that_is_complete_is_used_and_one_that_is_too_long_is_not(cache, known, server, part, requests, good):
    known(server.url)
    cache.mkdir(parents=True)
    (cache / "small.pth.part").write_bytes(part(good))
    assert weights.fetch("small").read_bytes() == good
    assert len(server.ranges) == requests


def test_a_damaged_part_costs_one_failure_and_no_more(cache, known, server, left_over, good):
    known(server.url)
    cache.mkdir(parents=True)
    (cache / "small.pth.part").write_bytes(b"PK\x03\x04" + bytes(996))
    with pytest.raises(WeightsError):
        weights.fetch("small")
    assert left_over() == []
    assert weights.fetch("small").read_bytes() == good


def test_a_web_page_in_place_of_weights_is_recognised(known, server, left_over):
    known(server.url)
    server.content, server.kind = b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8"
    with pytest.raises(WeightsError, match="is a web page"):
        weights.fetch("small")
    server.kind = "application/octet-stream"
    with pytest.raises(WeightsError, match="HTML page"):
        weights.fetch("small")
    assert "small.pth" not in left_over()


@pytest.mark.parametrize("pin", ["0" * 64, "00000000"])
def test_a_download_with_another_hash_is_refused_and_not_kept(known, server, pin, left_over, digest):
    known(server.url, pin=pin)
    with pytest.raises(WeightsError, match=f"expected SHA-256 {pin[:8]}.*got {digest}"):
        weights.fetch("small")
    assert left_over() == []


def test_a_refusal_is_not_tried_again(known, server):
    known(server.url)
    server.plan = [404]
    with pytest.raises(WeightsError, match="the server says 404 Not Found"):
        weights.fetch("small")
    assert len(server.ranges) == 1


def test_an_unreachable_server_is_said_so(known):
    known("http://127.0.0.1:1/small.pth")
    with pytest.raises(WeightsError, match=r"can't be downloaded.*Tried 5 times"):
        weights.fetch("small")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_said_so(cache, known, server):
    known(server.url)
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    with pytest.raises(OutputError):
        weights.fetch("small")
