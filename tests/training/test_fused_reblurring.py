import json
import os
import subprocess
import sys

import pytest
import torch

from sdd_bench.errors import DeviceError
from sdd_bench.training.reblurring import isotropic_blur, seed_channels
from sdd_bench.training.reblurring_network import ReblurringNetwork

pytest.importorskip("triton", reason="PyTorch brings Triton on Linux only")

# Kernels are interpreted where there is no GPU: slowly, so these are few pixels.
CASES = {
    "a batch": {"shape": (2, 3, 3, 5), "radii": 4},
    "all radii": {"shape": (1, 3, 4, 4), "radii": 8},
    "more pixels than a block": {"shape": (1, 3, 9, 15), "radii": 2},
    "one pixel of one channel": {"shape": (1, 1, 1, 1), "radii": 3},
    "seeds too large for exp": {"shape": (1, 3, 3, 3), "radii": 3, "scale": 500.0},
    "seeds of zero": {"shape": (1, 3, 3, 3), "radii": 3, "scale": 0.0},
    "strided": {"shape": (2, 3, 3, 4), "radii": 3, "strided": True},
    "no gradient of the picture": {"shape": (1, 3, 3, 3), "radii": 3, "wanted": "seeds"},
    "no gradient of the seeds": {"shape": (1, 3, 3, 3), "radii": 3, "wanted": "image"},
}


def differences(device, shape, radii, scale=1.0, strided=False, wanted="image seeds"):
    """How far fused results and gradients are from the plain ones, computed in float64 on the processor."""
    torch.manual_seed(0)
    n, _, height, width = shape
    image = torch.rand(shape, dtype=torch.float64)
    seeds = scale * torch.randn(n, seed_channels(radii), height, width, dtype=torch.float64)
    if strided:
        image = image.to(memory_format=torch.channels_last)
        seeds = seeds.transpose(2, 3).contiguous().transpose(2, 3)
    upstream = torch.randn(n, radii, *shape[1:], dtype=torch.float64)
    found = []
    for place, fused in (("cpu", False), (device, True)):
        given = {"image": image.to(place), "seeds": seeds.to(place)}
        for name in wanted.split():
            given[name] = given[name].detach().requires_grad_()
        out = isotropic_blur(**given, radii=radii, fused=fused)
        asked = [given[name] for name in wanted.split()]
        found.append([out, *torch.autograd.grad((out * upstream.to(place)).sum(), asked)])
    return [(a.cpu() - b.cpu()).abs().max().item() for a, b in zip(*found, strict=True)]


@pytest.fixture(scope="module")
def interpreted():
    """All cases by Triton's interpreter, which has to be asked for before Triton is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: the next test computes there")
@pytest.mark.parametrize("case", CASES)
def test_fused_results_and_gradients_are_the_plain_ones(interpreted, case):
    assert len(interpreted[case]) == 1 + len(CASES[case].get("wanted", "image seeds").split())
    assert max(interpreted[case]) < 1e-11


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", CASES)
def test_fused_results_and_gradients_are_the_plain_ones_on_a_gpu(case):
    assert max(differences("cuda", **CASES[case])) < 1e-10


@pytest.mark.parametrize("kernel", ["forward", "backward_seeds", "backward_image"])
@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_kernels_compile_for_gpus_without_one(kernel, dtype, tmp_path, monkeypatch):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from sdd_bench.training import reblurring_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    function = getattr(reblurring_kernels, kernel)
    kinds = dict.fromkeys(function.arg_names, f"*{dtype}")
    kinds |= dict.fromkeys(("first", "members", "corners", "across", "down"), "*i32")
    kinds |= dict.fromkeys(("height", "width", "channels", "radii"), "i32")
    constants = {"padded": 4, "block": 128}
    source = ASTSource(fn=function, signature=kinds | dict.fromkeys(constants, "constexpr"), constexprs=constants)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
    assert made.asm["cubin"]


def test_on_a_processor_it_is_refused_with_the_way_out():
    image, seeds = torch.rand(1, 3, 4, 4), torch.rand(1, 35, 4, 4)
    with pytest.raises(DeviceError, match=r"for GPUs, not for cpu\. Leave it out: the result is the same"):
        isotropic_blur(image, seeds, fused=True)
    with pytest.raises(DeviceError, match="for GPUs"):
        ReblurringNetwork("single", width=2, fused=True)(image, image)


def test_without_triton_it_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match=r"needs Triton, .* not installed here .*Leave it out"):
        isotropic_blur(torch.rand(1, 3, 4, 4), torch.rand(1, 35, 4, 4), fused=True)


if __name__ == "__main__":
    print(json.dumps({name: differences("cpu", **case) for name, case in CASES.items()}))  # noqa: T201  # for a test
