import json

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.protocol import Protocol, get_protocol, list_protocols


def run(*arguments):
    return CliRunner().invoke(main, ["protocols", *arguments], env={"COLUMNS": "200"})


def test_every_protocol_is_listed_with_what_tells_it_from_others():
    lines = run().output.splitlines()
    for protocol in list_protocols():
        first = next(i for i, line in enumerate(lines) if line.split()[:1] == [protocol.id])
        assert protocol.title in lines[first]
        assert ("(the default)" in lines[first]) is (protocol.id == DEFAULT_PROTOCOL)
        for fact in (f"frame {protocol.frame}", protocol.hash[:12], *protocol.metrics):
            assert fact in lines[first + 1]


def test_a_protocol_is_explained_with_its_description_and_its_whole_hash():
    result = run("jdrl2022")
    text = " ".join(result.output.split())
    assert result.exit_code == 0
    assert " ".join(get_protocol("jdrl2022").description.split()) in text
    assert get_protocol("jdrl2022").hash in text
    assert "weights fetch pwc-default" in text


@pytest.mark.parametrize("names", [(), ("dpdd2020", "jdrl2022")])
def test_records_are_printed_as_they_stand_in_results(names):
    printed = json.loads(run("--json", *names).output)
    wanted = [get_protocol(name) for name in names] or list_protocols()
    assert [Protocol.model_validate(entry["protocol"]) for entry in printed] == wanted
    assert [entry["protocol_sha256"] for entry in printed] == [protocol.hash for protocol in wanted]


def test_an_unknown_protocol_names_the_nearest():
    result = run("jdrl2020")
    assert result.exit_code == 1
    assert "Did you mean jdrl2022" in result.output
