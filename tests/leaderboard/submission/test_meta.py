import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdd_bench.errors import ProblemsError, SddBenchError, SubmissionError
from sdd_bench.leaderboard.records import Method
from sdd_bench.leaderboard.submission.meta import TEMPLATE, read_meta


@pytest.fixture
def meta(tmp_path):
    def write(text):
        path = tmp_path / "meta.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def filled(**values):
    return "schema_version: 1\n" + "".join(f"{key}: {value}\n" for key, value in values.items())


def test_the_template_filled_in_is_a_method(meta):
    text = TEMPLATE.replace("name:   ", 'name: "Net 🚀"', 1).replace("year:   ", "year: 2024", 1)
    assert read_meta(meta(text)) == Method(name="Net 🚀", year=2024)


def test_the_template_lists_every_key_of_a_method():
    keys = [line.partition(":")[0] for line in TEMPLATE.splitlines() if line and not line.startswith("#")]
    assert keys == ["schema_version", *Method.model_fields]


def test_the_template_as_it_is_lacks_a_name(meta):
    with pytest.raises(ProblemsError) as caught:
        read_meta(meta(TEMPLATE))
    assert caught.value.problems == ["name: missing"]


@pytest.mark.parametrize("name", ["no", "1e3", "2024", "null", "0x1F", "~x", "2024-01-01", "שלום", "<script>"])
def test_what_is_written_is_what_is_read(meta, name):
    assert read_meta(meta(filled(name=name))).name == name


def test_all_problems_are_in_one_report(meta):
    with pytest.raises(ProblemsError) as caught:
        read_meta(
            meta("schema_version: 2\nname: ' x'\nyear: soon\ntrained: SDD\nauthors: [A, B]\nweights_sha256: abc\n")
        )
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for text in (
        "schema_version: found 2; expected 1",
        "name: Value error, found ' x'; expected text that neither is empty nor begins or ends with a space",
        "year: Input should be a valid integer",
        "unknown key 'trained'. Did you mean trained_on or ",
        "authors: Input should be a valid string",
        "weights_sha256: String should match pattern",
    ):
        assert text in found


@pytest.mark.parametrize("name", ['"a\\u202Eb"', '"a\\nb"', '"=1+1"', '"\\0"'])
def test_names_that_mislead_are_refused(meta, name):
    with pytest.raises(ProblemsError, match="name: Value error, found"):
        read_meta(meta(filled(name=name)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected lines of `key: text`"),
        ("- a\n", "expected lines of `key: text`"),
        ("name: a\nname: b\n", "line 2, column 1: name is there more than once"),
        ("name: &x a\npaper: *x\n", "references"),
        ("a: &a [x]\nb: &b [*a, *a]\n", "references"),
        ("name: !!python/object/apply:os.system [id]\n", "a type"),
        ("name: a: b\n", "line 1, column 8: mapping values are not allowed here"),
        (
            "name: a\n---\nname: b\n",
            "line 2, column 1: expected a single document",
        ),
        ("[" * 15_000, "not YAML"),
        ("x: " + "- " * 8_000, "meta.yaml"),
        ("? [a]\n: b\n", "found unhashable key"),
        ("name: \x07\n", "not YAML"),
        (b"name: \xff\n", "not UTF-8"),
        ("name: " + "x" * 20_000, "at most 16,384 are read"),
    ],
)
def test_what_is_more_than_keys_and_texts_is_refused_in_one_line(meta, text, problem):
    with pytest.raises(SubmissionError, match=problem) as caught:
        read_meta(meta(text))
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(SubmissionError, match="sdd-bench submit init"):
        read_meta(tmp_path / "meta.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(st.text(max_size=80), st.text(st.sampled_from(list("name: \n-[]{}&*!|>'\"#%@`,?\t")), max_size=60))
)
def test_any_text_is_read_or_refused_in_words(text, tmp_path):
    path = tmp_path / "meta.yaml"
    path.write_bytes(b"schema_version: 1\n" + text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_meta(path), Method)
    except SddBenchError as error:
        assert str(error)
