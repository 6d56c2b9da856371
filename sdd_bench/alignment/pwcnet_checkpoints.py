"""Reading PWC-Net from the files of two authors, who have the same layers under other names."""

from __future__ import annotations

from pathlib import Path

from sdd_bench.alignment.pwcnet import WeightsName
from sdd_bench.alignment.pwcnet_network import COARSEST, CONTEXT, DENSE, FINEST, Layer, weight_shapes
from sdd_bench.errors import WeightsError
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.weights import how_to_get

_WORDS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")


def read_layers(path: Path, name: WeightsName) -> dict[str, Layer]:
    """Read the layers from a file, float32 on the CPU.

    Args:
        path: a checkpoint of ptlflow's ``pwcnet``, or the port's state dict.
        name: which of the two it is, as `sdd_bench.weights` calls it.

    Raises:
        WeightsError: the file can't be read, or does not hold exactly the tensors of the network.
    """
    found = read_state_dict(path)
    names = ptlflow_names() if name == "pwcnet-ptlflow" else port_names()
    expected: dict[str, tuple[int, ...]] = {}
    for layer, weight_shape in weight_shapes().items():
        made = weight_shape[1] if "_up." in layer else weight_shape[0]
        expected |= {f"{names[layer]}.weight": weight_shape, f"{names[layer]}.bias": (made,)}
    problems = [f"{key} is not expected" for key in sorted(found.keys() - expected.keys())]
    for key, shape in expected.items():
        if key not in found:
            problems.append(f"{key} is missing")
        elif found[key].shape != shape:
            problems.append(f"{key} has the shape {tuple(found[key].shape)}, expected {shape}")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{path} is not {name}, PWC-Net with dense connections: {'; '.join(problems[:3])}{more}. {how_to_get(name)}"
        )
    return {
        layer: Layer(found[f"{theirs}.weight"].float(), found[f"{theirs}.bias"].float())
        for layer, theirs in names.items()
    }


def ptlflow_names() -> dict[str, str]:
    """What ptlflow calls each layer."""
    names = {}
    for level in range(1, COARSEST + 1):
        # Of the coarsest level the strided layer is called "aa" and the next one "a"; else it is the other way round.
        for k, letters in enumerate(("aa", "a", "b") if level == COARSEST else ("a", "aa", "b")):
            names[f"pyramid.{level}.{k}"] = f"conv{level}{letters}.0"
    for level in range(COARSEST, FINEST - 1, -1):
        names |= {f"dense.{level}.{k}": f"conv{level}_{k}.0" for k in range(len(DENSE))}
        names[f"flow.{level}"] = f"predict_flow{level}"
        if level > FINEST:
            names |= {f"flow_up.{level}": f"deconv{level}", f"features_up.{level}": f"upfeat{level}"}
    names |= {f"context.{k}": f"dc_conv{k + 1}.0" for k in range(len(CONTEXT))}
    return names | {f"context.{len(CONTEXT)}": f"dc_conv{len(CONTEXT) + 1}"}


def port_names() -> dict[str, str]:
    """What the port calls each layer, in its file."""
    names: dict[str, str] = {}
    for level in range(1, COARSEST + 1):
        word = _WORDS[level - 1]
        names |= {f"pyramid.{level}.{k}": f"moduleExtractor.module{word}.{2 * k}" for k in range(3)}
    for level in range(COARSEST, FINEST - 1, -1):
        block = f"module{_WORDS[level - 1]}"
        names |= {f"dense.{level}.{k}": f"{block}.module{_WORDS[k]}.0" for k in range(len(DENSE))}
        names[f"flow.{level}"] = f"{block}.module{_WORDS[len(DENSE)]}.0"
        if level > FINEST:
            finer = f"module{_WORDS[level - 2]}"  # to whose block the port counts them
            names |= {f"flow_up.{level}": f"{finer}.moduleUpflow", f"features_up.{level}": f"{finer}.moduleUpfeat"}
    return names | {f"context.{k}": f"moduleRefiner.moduleMain.{2 * k}" for k in range(len(CONTEXT) + 1)}
