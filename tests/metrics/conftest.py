import pytest
import torch


@pytest.fixture(autouse=True)
def _one_torch_thread():
    """On small tensors, threads that wait for a core which others use cost far more than they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
