import pytest
from pydantic import ValidationError

from sdd_bench.errors import ProtocolError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.explain import explain
from sdd_bench.evaluation.protocol import Protocol, get_protocol, list_protocols

EVERY_PROTOCOL = pytest.mark.parametrize("protocol", list_protocols(), ids=lambda protocol: protocol.id)


def test_the_default_protocol_deforms_the_ground_truth_towards_the_input_and_masks_it():
    protocol = get_protocol(DEFAULT_PROTOCOL)
    assert (protocol.frame, protocol.bit_depth, protocol.crop) == ("input", None, "none")
    assert protocol.mask is not None
    assert protocol.equalise is not None
    assert protocol.flow_weights is None


def test_the_release_protocols_deform_towards_each_prediction_on_the_defective_grid_without_a_mask():
    release, without_weights = get_protocol("jdrl2022"), get_protocol("jdrl2022-dis")
    assert (release.frame, release.warp, release.mask, release.equalise) == ("prediction", "jdrl2022", None, None)
    assert (release.bit_depth, release.crop) == (8, "detect")
    assert (release.flow.name, release.flow.grid, release.flow_weights) == ("pwcnet", "release", "pwc-default")
    labels = {"id", "title", "description", "flow"}
    assert without_weights.model_dump(exclude=labels) == release.model_dump(exclude=labels)
    assert (without_weights.flow.name, without_weights.flow_weights) == ("dis", None)


def test_the_common_protocol_takes_the_ground_truth_as_it_is():
    protocol = get_protocol("dpdd2020")
    assert (protocol.frame, protocol.flow, protocol.warp, protocol.mask) == ("none", None, None, None)


def test_a_bit_depth_chooses_between_the_variants_of_a_protocol():
    assert get_protocol("dpdd2020", 8).id == "dpdd2020"
    assert get_protocol("dpdd2020", 16).id == "dpdd2020-16bit"
    assert get_protocol("dpdd2020-16bit", 8).id == "dpdd2020"
    with pytest.raises(ProtocolError, match="has variants for 8 and 16 bits, not for 12"):
        get_protocol("dpdd2020", 12)


@pytest.mark.parametrize(
    ("protocol_id", "takes"), [("jdrl2022", "8-bit files"), (DEFAULT_PROTOCOL, "files of any bit depth")]
)
def test_a_bit_depth_is_refused_where_there_are_no_variants(protocol_id, takes):
    with pytest.raises(ProtocolError, match=f"no variants by bit depth, it scores {takes}.*dpdd2020, dpdd2020-16bit"):
        get_protocol(protocol_id, 8)


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ProtocolError, match=r"Did you mean dpdd2020"):
        get_protocol("dpdd2002")


def test_protocols_are_frozen_and_their_hashes_differ():
    protocols = list_protocols()
    assert len({protocol.hash for protocol in protocols}) == len(protocols) >= 5
    with pytest.raises(ValidationError, match="frozen"):
        protocols[0].id = "another"


@EVERY_PROTOCOL
def test_every_number_changes_the_hash_and_texts_do_not(protocol: Protocol):
    assert protocol.model_copy(update={"title": "x", "description": "y"}).hash == protocol.hash
    for change in (
        {"warp": "bilinear"},
        {"metrics": ("psnr",)},
        {"id": "another"},
        {"arithmetic": 99},
        {"bit_depth": None if protocol.bit_depth else 8},
        {"crop": "none" if protocol.crop == "detect" else "detect"},
    ):
        assert protocol.model_copy(update=change).hash != protocol.hash


def test_every_parameter_of_a_flow_changes_the_hash():
    protocol = get_protocol("jdrl2022-dis")
    for name, value in protocol.flow.model_dump(exclude={"name"}).items():
        changed = protocol.flow.model_copy(update={name: not value if value is True else value + 1})
        assert protocol.model_copy(update={"flow": changed}).hash != protocol.hash


@EVERY_PROTOCOL
def test_the_device_is_no_part_of_the_record(protocol: Protocol):
    elsewhere = protocol.on("cuda")
    assert elsewhere.hash == protocol.hash
    assert elsewhere.model_dump_json() == protocol.model_dump_json()


def test_the_device_reaches_the_flow_of_a_network():
    assert get_protocol("jdrl2022").on("cuda").flow.device == "cuda"


def test_a_record_with_an_unknown_key_is_refused():
    record = get_protocol(DEFAULT_PROTOCOL).model_dump(mode="json")
    with pytest.raises(ValidationError, match="wrap"):
        Protocol.model_validate(record | {"wrap": "lanczos4"})


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        ("dpdd2020", {"frame": "input"}, "flow = None, warp = None"),
        ("dpdd2020", {"warp": "bilinear"}, "warp = bilinear"),
        ("jdrl2022-dis", {"frame": "none"}, "flow = .*warp = jdrl2022"),
        ("jdrl2022-dis", {"flow": None}, "flow = None"),
    ],
)
def test_a_record_that_deforms_without_a_way_or_has_a_way_without_deforming_is_refused(base, change, message):
    record = get_protocol(base).model_dump(mode="json")
    with pytest.raises(ValidationError, match=message):
        Protocol.model_validate(record | change)


@EVERY_PROTOCOL
def test_an_explanation_names_every_number_of_the_record(protocol: Protocol):
    text = " ".join(explain(protocol).values())

    def numbers(value):
        if isinstance(value, dict):
            return [number for inner in value.values() for number in numbers(inner)]
        if isinstance(value, list):
            return [number for inner in value for number in numbers(inner)]
        return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []

    record = protocol.model_dump(mode="json", exclude={"schema_version", "arithmetic", "mask"})
    for number in numbers(record):
        assert str(number) in text
    if protocol.mask is not None:
        shares = [f"{share:.0%}" for share in (protocol.mask.warn_share, protocol.mask.error_share)]
        for shown in (
            f"{protocol.mask.forward_backward_tolerance:g} px",
            f"{protocol.mask.change_tolerance:g}",
            *shares,
        ):
            assert shown in text
    for metric in protocol.metrics:
        assert metric.upper() in text
    assert ("Under development" in text) is protocol.id.endswith(".dev")
