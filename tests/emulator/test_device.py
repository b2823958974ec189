from __future__ import annotations

import pytest
import torch

from napari_eldyn.emulator import available_devices, describe_device, resolve_device
from napari_eldyn.exceptions import EldynError


def test_the_processor_is_always_there() -> None:
    assert available_devices()[-1] == "cpu"
    assert resolve_device("cpu") == torch.device("cpu")
    assert str(resolve_device("auto")) == available_devices()[0]
    assert describe_device("cpu").startswith(f"cpu ({torch.get_num_threads()} thread")


@pytest.mark.parametrize("name", ["cuda:99", "meta", "mps:99"])
def test_a_missing_device_is_an_error_and_never_replaced(name: str) -> None:
    with pytest.raises(EldynError, match=rf"device '{name}' is not available.*Choose auto.*cpu"):
        resolve_device(name)


def test_cuda_is_refused_exactly_where_there_is_none() -> None:
    if torch.cuda.is_available():
        assert resolve_device("cuda") == torch.device("cuda", 0)
    else:
        with pytest.raises(EldynError, match=r"'cuda' is not available: PyTorch"):
            resolve_device("cuda")


def test_other_words_are_no_devices() -> None:
    with pytest.raises(EldynError, match="'gpu' is not the name of a device"):
        resolve_device("gpu")
