import json
import os
import subprocess
import sys

import pytest
import torch

from sdd_bench.errors import DeviceError
from sdd_bench.training.reblurring import isotropic_blur, require_fused, seed_channels
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
    "single precision": {"shape": (1, 3, 4, 4), "radii": 4, "dtype": "float32", "limit": 1e-5},
}


def differences(device, shape, radii, scale=1.0, strided=False, wanted="image seeds", dtype="float64", limit=None):
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
        kind = getattr(torch, dtype) if fused else torch.float64
        given = {"image": image.to(place, kind), "seeds": seeds.to(place, kind)}
        for name in wanted.split():
            given[name] = given[name].detach().requires_grad_()
        out = isotropic_blur(**given, radii=radii, fused=fused)
        asked = [given[name] for name in wanted.split()]
        found.append([out, *torch.autograd.grad((out * upstream.to(place, kind)).sum(), asked)])
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
    assert all(difference < CASES[case].get("limit", 1e-11) for difference in interpreted[case])  # NaN is not


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", CASES)
def test_fused_results_and_gradients_are_the_plain_ones_on_a_gpu(case):
    limit = CASES[case].get("limit", 1e-10)
    assert all(difference < limit for difference in differences("cuda", **CASES[case]))


@pytest.mark.parametrize("kernel", ["forward", "backward_seeds", "backward_image"])
@pytest.mark.parametrize(("dtype", "ones"), [("fp32", ()), ("fp64", ()), ("fp32", ("channels", "height", "width"))])
def test_kernels_compile_for_gpus_without_one(kernel, dtype, ones, tmp_path, monkeypatch):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from sdd_bench.training import reblurring_kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    function = getattr(reblurring_kernels, kernel)
    kinds = dict.fromkeys(function.arg_names, f"*{dtype}")
    kinds |= dict.fromkeys(("first", "members", "corners", "across", "down"), "*i32")
    kinds |= dict.fromkeys(("height", "width", "channels", "radii"), "i32")
    constants = {"padded": 1 if ones else 4, "block": 128} | dict.fromkeys(ones, 1)  # a 1 is built in at launch
    kinds |= dict.fromkeys(constants, "constexpr")
    aligned = {(k,): [["tt.divisibility", 16]] for k, name in enumerate(function.arg_names) if "*" in kinds[name]}
    source = ASTSource(fn=function, signature=kinds, constexprs=constants, attrs=aligned)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
    assert made.asm["cubin"]
    assert "bar.sync" not in made.asm["ptx"]  # threads need nothing of each other


def test_on_a_processor_it_is_refused_with_the_way_out():
    image, seeds = torch.rand(1, 3, 4, 4), torch.rand(1, 35, 4, 4)
    with pytest.raises(DeviceError, match=r"for GPUs, not for cpu\. Leave it out: the result is the same"):
        isotropic_blur(image, seeds, fused=True)
    with pytest.raises(DeviceError, match="for GPUs"):
        ReblurringNetwork("single", width=2, fused=True)(image, image)


def test_a_device_on_which_it_fails_is_refused_with_the_reason(monkeypatch):
    from sdd_bench.training import fused_reblurring

    def no_compiler(*_):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr("triton.knobs.runtime.interpret", True)
    monkeypatch.setattr(fused_reblurring, "fused_isotropic_blur", no_compiler)
    with pytest.raises(DeviceError, match=r"fails on cpu: RuntimeError: Failed to find C compiler.* Leave it out"):
        require_fused(torch.device("cpu"))


def test_without_triton_it_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match=r"needs Triton, .* not installed here .*Leave it out"):
        isotropic_blur(torch.rand(1, 3, 4, 4), torch.rand(1, 35, 4, 4), fused=True)


if __name__ == "__main__":
    print(json.dumps({name: differences("cpu", **case) for name, case in CASES.items()}))  # noqa: T201  # for a test
