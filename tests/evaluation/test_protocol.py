import pytest
from pydantic import ValidationError

from sdd_bench.errors import ProtocolError
from sdd_bench.evaluation.protocol import DEFAULT_PROTOCOL, Protocol, get_protocol, list_protocols


def test_the_default_protocol_deforms_the_ground_truth_towards_the_input_and_masks_it():
    protocol = get_protocol(DEFAULT_PROTOCOL)
    assert (protocol.id, protocol.frame, protocol.warp) == ("sdd-v1.dev", "input", "lanczos4")
    assert protocol.mask is not None
    assert protocol.equalise is not None


def test_the_release_protocol_deforms_towards_each_prediction_on_the_defective_grid_without_a_mask():
    protocol = get_protocol("jdrl2022.dev")
    assert (protocol.frame, protocol.warp, protocol.mask, protocol.equalise) == ("prediction", "jdrl2022", None, None)


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ProtocolError, match=r"Did you mean sdd-v1\.dev"):
        get_protocol("sdd-v1.dve")


def test_protocols_are_frozen_and_their_hashes_differ():
    protocols = list_protocols()
    assert len({protocol.hash for protocol in protocols}) == len(protocols) >= 2
    with pytest.raises(ValidationError, match="frozen"):
        protocols[0].id = "another"


@pytest.mark.parametrize("protocol", list_protocols(), ids=lambda protocol: protocol.id)
def test_every_number_changes_the_hash_and_texts_do_not(protocol: Protocol):
    assert protocol.model_copy(update={"title": "x", "description": "y"}).hash == protocol.hash
    for change in (
        {"flow": protocol.flow.model_copy(update={"gamma": protocol.flow.gamma + 1})},
        {"warp": "bilinear"},
        {"metrics": ("psnr",)},
        {"id": "another"},
    ):
        assert protocol.model_copy(update=change).hash != protocol.hash


def test_a_record_with_an_unknown_key_is_refused():
    record = get_protocol(DEFAULT_PROTOCOL).model_dump(mode="json")
    with pytest.raises(ValidationError, match="wrap"):
        Protocol.model_validate(record | {"wrap": "lanczos4"})
