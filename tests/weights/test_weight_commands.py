"""`sdd-bench weights` on the command line."""

from click.testing import CliRunner

from sdd_bench import weights
from sdd_bench.cli.weights import weights as command
from sdd_bench.errors import WeightsError


def run(*args):
    result = CliRunner().invoke(command, args, terminal_width=200, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_list_shows_every_file_with_licence_and_presence(known, tmp_path, good):
    known()
    assert "present" not in run("list")
    (tmp_path / "mine").write_bytes(good)
    weights.add("small", tmp_path / "mine")
    output = run("list")
    assert str(weights.folder()) in output
    for entry in weights.REGISTRY.values():
        assert entry.name in output and entry.licence in output and entry.file in output
    line = next(line for line in output.splitlines() if "small" in line)
    assert "present" in line and "CC0-1.0" in line
    assert "missing" in next(line for line in output.splitlines() if "alexnet" in line)


def test_the_licence_is_shown_before_the_download(known, server, digest):
    known(server.url)
    output = run("fetch", "small")
    assert output.index("CC0-1.0") < output.index(digest)
    known("http://127.0.0.1:1/small.pth", file="other.pth")
    result = CliRunner().invoke(command, ["fetch", "small"])
    assert isinstance(result.exception, WeightsError)
    assert "CC0-1.0" in result.output


def test_the_commands_add_and_verify_say_the_hash_and_what_it_is_worth(known, tmp_path, good, digest):
    known(pin=digest[:8])
    assert "No weights are here" in run("verify")
    (tmp_path / "mine").write_bytes(good)
    for output in (run("add", "small", str(tmp_path / "mine")), run("verify"), run("verify", "small")):
        assert digest in output and f"begins with {digest[:8]}" in output
    known(pin="")
    assert "compare it with another source" in run("verify", "small")
