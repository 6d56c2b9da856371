import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.leaderboard.characters import misleading, shown, spelled
from sdd_bench.leaderboard.records import plain_line


@given(st.text(max_size=40))
def test_what_misleads_is_what_no_line_of_an_entry_may_hold(text):
    line = f"x{text}x"
    try:
        plain_line(line)
    except ValueError:
        assert misleading(line)
    else:
        assert not misleading(line)


@pytest.mark.parametrize("text", ["\0", "\x1b", "\n", "\u2028", "\u202e", "\u2066", "\x85", "\ud800"])
def test_every_kind_is_known(text):
    assert misleading(f"a{text}b") == [text]


@pytest.mark.parametrize("text", ["Zürich", "שלום", "👩‍💻", "a b", "<script>", ""])
def test_what_people_write_is_not(text):
    assert misleading(text) == []


@given(st.text(max_size=300))
def test_spelled_texts_are_seen_whole_and_shown_ones_are_short(text):
    assert spelled(text).isprintable()
    assert shown(text).isprintable()
    assert len(shown(text)) <= 83
