"""Commands by which predictions were made: kept in an entry where someone gave them, and nowhere else."""

import hashlib
import json

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sdd_bench.cli import main
from sdd_bench.leaderboard.records import ENTRY, Method, computed_entry, json_schema
from sdd_bench.leaderboard.site.build import build_site
from sdd_bench.leaderboard.verify import verify

COMMANDS = ('sdd-bench predict --command "cp <a> & b" --out p', "python mine.py")


def test_an_entry_keeps_them_and_its_hash_covers_them(entry):
    plain = entry("a")
    told = computed_entry(plain.result, plain.method, commands=COMMANDS)
    assert told.commands == COMMANDS
    assert ENTRY.validate_json(told.to_json()) == told
    assert told.entry_sha256 == told.content_sha256 != plain.entry_sha256
    assert told.id == plain.id


def test_an_entry_without_them_has_no_such_key_and_so_the_hash_it_always_had(entry):
    plain = entry("a")
    content = json.loads(plain.to_json())
    assert "commands" not in content
    sealed = content.pop("entry_sha256")
    assert hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest() == sealed


def test_the_schema_still_lists_the_fields_of_a_computed_entry():
    fields = json_schema()["$defs"]["ComputedEntry"]["properties"]
    assert {"status", "method", "result", "commands", "entry_sha256"} <= set(fields)


@pytest.mark.parametrize("command", ["", "two\nlines", "=cmd", "a\u202eb"])
def test_a_command_is_one_line_that_is_what_it_looks_like(entry, command):
    with pytest.raises(ValidationError):
        computed_entry(entry("a").result, Method(name="a"), commands=[command])


def test_add_takes_them_in_their_order(scored, result, tmp_path):
    saved = result([scored("a", 20.0)], "m").save(tmp_path / "results")
    options = [part for command in COMMANDS for part in ("--command", command)]
    done = CliRunner().invoke(
        main, ["leaderboard", "add", str(saved.parent), "--board", str(tmp_path / "board"), *options]
    )
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "board" / "entries").iterdir()
    assert ENTRY.validate_json(path.read_text("utf-8")).commands == COMMANDS


def test_a_verified_entry_still_has_them(scored_blur, prepared, cache):
    pred, made = scored_blur
    told = computed_entry(made, Method(name="blurry"), commands=COMMANDS)
    assert verify(told, pred, prepared, cache=cache, progress=False).verified.commands == COMMANDS


def test_the_methods_page_shows_them_before_those_that_score_and_as_text(entry, tmp_path):
    plain = entry("a", [20.0 + i / 5 for i in range(8)])
    build_site([computed_entry(plain.result, plain.method, commands=COMMANDS)], tmp_path)
    (page,) = (path.read_text("utf-8") for path in (tmp_path / "methods").glob("*.html"))
    first, second = page.index("cp &lt;a&gt; &amp; b"), page.index("python mine.py")
    assert first < second < page.index("sdd-bench evaluate")
    assert "The lines before <code>sdd-bench evaluate</code> make the predictions." in page
    assert "How the predictions were made is for its authors to say" not in page
