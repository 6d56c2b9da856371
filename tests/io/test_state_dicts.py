import torch
from safetensors import safe_open

from sdd_bench.io.state_dicts import read_state_dict, write_state_dict


def test_what_is_written_is_the_same_to_the_byte_and_read_by_the_library(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    tensors = {"b": shared, "a": shared.T, "c": torch.tensor([1], dtype=torch.int64)}
    facts = [{f"key {i}": str(i) for i in range(9)}, {f"key {i}": str(i) for i in reversed(range(9))}]
    for number, metadata in enumerate(facts):
        write_state_dict(tmp_path / f"{number}.safetensors", tensors, metadata)
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()
    with safe_open(tmp_path / "0.safetensors", "pt") as file:
        assert file.metadata() == facts[0]
        assert {name: file.get_tensor(name).tolist() for name in sorted(tensors)} == {
            name: tensor.tolist() for name, tensor in tensors.items()
        }
    assert read_state_dict(tmp_path / "1.safetensors").keys() == tensors.keys()
