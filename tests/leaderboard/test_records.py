import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdd_bench.leaderboard.records import (
    ENTRY,
    ComputedEntry,
    Method,
    PrintedNumber,
    Source,
    json_schema,
)


@given(st.decimals(0, 99, places=4).map(str))
def test_printed_digits_come_back_as_they_were(text):
    assert PrintedNumber.parse(text).text == text


@pytest.mark.parametrize("text", ["nan", "inf", "1e3", "", "25,98", "about 25"])
def test_what_is_no_plain_number_is_refused(text):
    with pytest.raises(ValueError, match=r"no (finite )?number"):
        PrintedNumber.parse(text)


def test_the_label_says_framework_and_variant():
    assert Method(name="UNet").label == "UNet"
    assert Method(name="UNet", framework="jdrl", variant="no-mask").label == "UNet + JDRL, no-mask"


@pytest.mark.parametrize("name", ["", " x", "two\nlines", "zero\0", "\u202eevil", "=1+1", "@x"])
def test_a_name_that_could_mislead_is_refused(name):
    with pytest.raises(ValidationError):
        Method(name=name)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "مزيل الضبابية", "去模糊", "deblur 🚀", "a&b_{c}"])
def test_any_script_and_any_markup_is_a_name(name, published):
    entry = published(method=Method(name=name))
    assert ENTRY.validate_json(entry.to_json()) == entry
    assert entry.id.isascii()
    assert set(entry.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_command_line_is_dropped_and_can_not_come_back(image, result):
    from sdd_bench.evaluation.results import Run
    from sdd_bench.leaderboard.records import computed_entry

    run = Run(command="evaluate --pred /home/me", started="", wall_seconds=1, workers=1, versions={}, machine={})
    made = result([image("a", 20.0)], run=run)
    entry = computed_entry(made, Method(name="m"))
    assert "/home/me" not in entry.to_json()
    assert entry.result.images == made.images
    with pytest.raises(ValidationError, match="names folders"):
        ComputedEntry(method=entry.method, status="verified", result=made, entry_sha256="0" * 64)


def test_the_id_tells_apart_what_may_stand_beside_each_other(published):
    changes = [
        {},
        {"dataset": "DPDD"},
        {"protocol": "jdrl2022"},
        {"source": Source(title="U")},
        {"source": Source(title="T", place="p")},
        {"method": Method(name="n")},
        {"method": Method(name="m", trained_on="SDD")},
        {"method": Method(name="m", variant="v")},
    ]
    assert len({published(**change).id for change in changes}) == len(changes)
    assert published(notes=("x",)).id == published().id


def test_the_schema_names_both_kinds_of_entries_and_what_they_need():
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["discriminator"]["mapping"]) == {"published", "self-reported", "verified"}
    assert {"method", "dataset", "source", "scores", "entry_sha256"} <= set(
        schema["$defs"]["PublishedEntry"]["required"]
    )
    assert {"method", "status", "result", "entry_sha256"} <= set(schema["$defs"]["ComputedEntry"]["required"])
    assert schema["$defs"]["PublishedEntry"]["additionalProperties"] is False
