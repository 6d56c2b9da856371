import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sdd_bench.evaluation.crops import Box
from sdd_bench.evaluation.report_page import render
from sdd_bench.evaluation.report_pictures import Scales, draw_strip
from sdd_bench.evaluation.report_views import View, Views

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "a&amp;b",
    "</style><b>",
)


class Page(HTMLParser):
    """What a browser would make of the page: its tags with their attributes, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self._inside = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = [tag]

    def handle_endtag(self, tag):
        self._inside = []

    def handle_data(self, data):
        if self._inside not in (["script"], ["style"]):
            self.text += data

    def find(self, tag, **wanted):
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


def strip(flow=True, mask=True, gray=0.5):
    pixels = np.full((20, 30, 3), gray, np.float32)
    keys = ("blur", "prediction", "gt", "deformed_gt") if flow else ("blur", "prediction", "gt")
    view = View(
        dict.fromkeys(keys, pixels),
        pixels[..., 0] * 0.1,
        pixels[..., :2] if flow else None,
        pixels[..., 0] if mask else None,
    )
    return draw_strip(Views(view, view, (60, 40), Box(6, 4, 30, 20)), Scales(0.1, 1.0 if flow else None))


def page(result, strips=None):
    stems = [image.stem for image in result.images]
    return Page(render(result, dict.fromkeys(stems, strip()) if strips is None else strips, Scales(0.1, 1.0)))


@pytest.fixture
def three(make_image):
    return [make_image("a", 20.0), make_image("b", 30.0, environment="outdoor"), make_image("c", 25.0, limit=28.0)]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_wherever_they_come_from(make_image, result, name):
    images = [make_image(name, 20.0), make_image(f"2{name}", 30.0), make_image(f"3{name}", None, gt=None, error=name)]
    hostile = result(images, method=name, notes=(name, f"run `{name}` now"))
    hostile = hostile.model_copy(
        update={
            "dataset": hostile.dataset.model_copy(update={"name": name}),
            "run": hostile.run.model_copy(update={"command": name, "versions": {name: name}, "machine": {name: name}}),
        }
    )
    plain = page(result([make_image("x", 20.0), make_image("y", 30.0), images[2].model_copy(update={"stem": "z"})]))
    found = page(hostile)
    # Method, dataset, notes, bars, rows, strips, failed images, command, versions: no tag and no attribute more.
    assert found.text.count(name) > 12
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in plain.tags} | {"code"}
    assert len(found.find("script")) == 1
    assert not any(key.startswith("on") for _, attrs in found.tags for key in attrs)
    assert found.find("h1")
    assert any(name in attrs["alt"] for attrs in found.find("img"))


def test_nothing_is_loaded_from_outside_the_file(three, result):
    text = render(result(three), {image.stem: strip() for image in three}, Scales(0.1, 1.0))
    found = Page(text)
    loaded = [attrs[key] for _, attrs in found.tags for key in ("src", "href", "data", "srcset") if key in attrs]
    assert loaded
    assert all(url.startswith(("data:", "#")) for url in loaded)
    assert not re.search(r"@import|url\((?!\"data:)", text)
    (policy,) = found.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'")


def test_every_link_leads_somewhere_and_no_id_stands_twice(three, result):
    found = page(result(three), {image.stem: strip() for image in three[:2]})
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for attrs in found.find("a")}
    assert links <= set(ids)
    assert {"strip-worst", "strip-best", "image-2"} <= links
    assert {attrs["aria-labelledby"] for _, attrs in found.tags if "aria-labelledby" in attrs} <= set(ids)


def test_the_page_says_what_was_measured_and_how(three, result):
    made = result(three, notes=("Mind the gap.",), weights="verified", weights_sha256={"alexnet": "3" * 64})
    text = page(made).text
    for said in (
        *(made.protocol.id, made.protocol.title, made.protocol.description, made.protocol_sha256),
        *("data", "1" * 64, "Mind the gap.", "verified", "3" * 64, "2026-01-01T00:00:00"),
        *("2.0 % on average, 2.0 % at most, of the images with scores", "10 000 resamples"),
    ):
        assert said in text


def test_means_come_with_their_intervals(make_image, result):
    made = result([make_image(str(number), 20.0 + number) for number in range(8)])
    low, high = made.means["all"].deformed_gt.intervals.psnr
    assert page(made).text.count(f"{low:.2f} to {high:.2f}") == 3  # above, for all, for indoor
    few = page(result([make_image("a", 20.0)]))
    assert " to " not in few.text[few.text.index("PSNR") : few.text.index("Means of per-image")]


def test_scores_near_the_measurement_limit_are_marked(three, result):
    found = page(result(three))
    assert found.text.count("25.00 ≈") == 1
    assert "20.00 ≈" not in found.text
    assert "within 6 dB of its measurement limit" in found.text
    assert [bar["class"].split() for bar in found.find("a") if "bar" in bar.get("class", "")] == [
        ["bar", "indoor"],
        ["bar", "indoor", "near"],
        ["bar", "outdoor"],
    ]
    assert "≈" not in page(result(three[:2])).text


def test_images_without_scores_are_counted_and_named_with_the_reason(three, make_image, result):
    found = page(result([*three, make_image("lost", None, gt=None, error="42% of the pixels are gone")]))
    assert "1 of them without scores" in found.text
    assert "lost: 42% of the pixels are gone" in found.text
    assert "3 of 4 images" in found.text


def test_identical_images_are_said_to_be(make_image, result):
    one = result([make_image("a", math.inf, gt=math.inf), make_image("b", 20.0), make_image("c", 21.0)])
    text = page(one).text
    assert "1 image is identical to the deformed GT" in text
    assert "inf" not in text.replace("infinite", "")
    everything = page(result([make_image(stem, math.inf, gt=math.inf) for stem in "abc"])).text
    assert "identical" in everything
    assert "dB" not in everything[everything.index("PSNR") : everything.index("Means of")]


def test_a_result_in_which_every_image_failed_still_has_a_page(make_image, result):
    found = page(result([make_image("a", None, gt=None, error="lost")]), {})
    assert "no image could be scored" in found.text
    assert "a: lost" in found.text
    assert not found.find("svg")


def test_fewer_than_three_images_have_fewer_strips(three, result):
    titles = {1: ["Only"], 2: ["Worst", "Best"], 3: ["Worst", "Median", "Best"]}
    for count, expected in titles.items():
        found = page(result(three[:count]))
        assert len(found.find("article")) == count
        assert f"{', '.join(expected).capitalize()}\n" in found.text


def test_a_protocol_that_does_not_deform_has_no_word_of_flow_or_mask(make_image, result):
    images = [make_image("a", None, gt=20.0, left_out=0.0), make_image("b", None, gt=22.0, left_out=0.0)]
    strips = {image.stem: strip(flow=False, mask=False) for image in images}
    found = Page(render(result(images, protocol="dpdd2020"), strips, Scales(0.1, None)))
    assert "Scores against the GT" in found.text
    assert not re.search("deformed gt|left out of all|colour is direction", found.text, re.IGNORECASE)
    assert "none: the protocol counts all" in found.text


def test_random_weights_are_said_at_the_top(three, result):
    text = page(result(three, weights="random")).text
    assert text.index("Computed with random weights") < text.index("Scores against")


def test_images_of_one_environment_or_of_none_are_not_shown_twice(make_image, result):
    for environment in ("indoor", None):
        images = [make_image(str(number), 20.0 + number, environment=environment) for number in range(3)]
        found = page(result(images))
        circles = found.find("circle")
        assert len(circles) == 3 * 3  # images x metrics with values


def test_parts_of_notes_between_backticks_are_code(three, result):
    found = render(result(three, notes=("Run `a < b`, then `c`.", "A lone ` is one.")), {}, None)
    assert "Run <code>a &lt; b</code>, then <code>c</code>." in found
    assert "A lone ` is one." in found


def test_reduced_pictures_are_said_to_be_and_the_place_of_the_detail_is_given(three, result):
    found = page(result(three))
    assert "reduced to 1024 pixels" in found.text
    assert "60 x 40 reduced to 30 x 20" in found.text
    assert found.find("div", **{"class": "viewer"})[0]["data-box"] == "6 4 30 20"


def test_the_same_result_gives_the_same_bytes(three, result):
    strips = {image.stem: strip() for image in three}
    first, second = (render(result(three), strips, Scales(0.1, 1.0)) for _ in range(2))
    assert first == second
