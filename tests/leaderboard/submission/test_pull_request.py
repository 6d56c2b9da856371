import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sdd_bench.errors import ProblemsError, SubmissionError
from sdd_bench.leaderboard.records import Method, computed_entry, plain_line
from sdd_bench.leaderboard.submission.pull_request import accepted_text, code, refused_text

HARMFUL = [
    "<script>alert(1)</script>",
    "by @octocat #1 GH-1 :rocket: https://example.org [x](y) ![x](y)",
    "`a` ``b`` ```c",
    "a|b\\|c\\\\|d",
    "`",
    "<!-- x --> &amp; <b>",
    "مرحبا 1 2 3 שלום",
    "👩‍💻 🚀",
    "$x$ *a* _b_ ~c~ ^d",
]


def lists(text):
    """The text of every code span that is the value of a list item, and all kinds of tokens in the items."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    items = [t for t, before in zip(tokens[2:], tokens, strict=False) if before.type == "list_item_open"]
    return [item.children for item in items]


def value(children):
    assert [child.type for child in children] == ["text", "code_inline"]
    return children[1].content.strip("\u2068\u2069")


def line(text):
    try:
        return plain_line(text) == text
    except ValueError:
        return False


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_names_are_only_words_in_the_text(name, result, scored):
    made = result([scored("a", 20.0)], notes=(name,))
    text = accepted_text(computed_entry(made, Method(name=name, authors=name, code=name)), None, "a" * 64)
    items = lists(text)
    assert [value(children) for children in items[:3]] == [name] * 3
    assert items[-1][0].content.strip("\u2068\u2069") == name


@given(st.text(min_size=1, max_size=60).filter(line))
def test_any_name_stays_one_code_span(name):
    (children,) = lists(f"- method: {code(name)}")
    assert value(children) == name or not name.isprintable()


@given(st.text(max_size=60))
def test_any_text_at_all_stays_one_code_span_in_one_line(text):
    (children,) = lists(f"- x: {code(text)} y")
    assert [child.type for child in children] == ["text", "code_inline", "text"]


def test_hidden_characters_are_spelled_and_right_to_left_text_is_isolated():
    assert code("a\u200bb") == "`a<U+200B>b`"
    assert code("שלום 1") == "`\u2068שלום 1\u2069`"
    assert code("👩‍💻") == "`👩‍💻`"


def test_the_text_says_what_was_and_what_was_not_done(entry):
    made = entry("a")
    text = accepted_text(made, None, "f" * 64)
    assert "**Self-reported.**" in text
    assert "were not computed again" in text
    assert f"leaderboards/entries/{made.id}.json" in text
    assert made.result.protocol_sha256 in text
    assert "| all (3) | GT | 21.00 |" in text


def test_everything_that_is_known_of_a_method_is_told(entry):
    numbers = {"year": 2024, "parameters": 31, "seconds_per_megapixel": 0.25, "threads": 3}
    words = {name: f"its {name}" for name in Method.model_fields if name not in (*numbers, "weights_sha256")}
    about = Method(**words, **numbers, weights_sha256="d" * 64)
    text = accepted_text(entry("a", about=about), None, "f" * 64)
    assert all(f": `{value}`" in text for value in (*words.values(), *numbers.values(), "d" * 64))


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_problems_stay_in_one_block_whatever_they_quote(problems):
    tokens = MarkdownIt("commonmark").parse(refused_text(ProblemsError("x", problems)))
    assert [token.type for token in tokens] == ["heading_open", "inline", "heading_close", "fence"]


def test_a_refusal_is_as_long_as_a_comment_may_be():
    text = refused_text(ProblemsError("x", ["```" + "y" * 100] * 5000))
    assert len(text) < 30_000
    assert "not accepted" in text
    assert "FILE: damaged" in refused_text(SubmissionError("FILE: damaged"))
