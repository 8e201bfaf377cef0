"""The bytes of a tensor of any type, for hashes."""

import sys

import torch
from torch import Tensor


def tensor_bytes(tensor: Tensor) -> bytes:
    """The values of a tensor, row by row, in little-endian order.

    Args:
        tensor: Dense, of any type (also bfloat16 and complex, which numpy or `view` may lack) and shape.

    Returns:
        `numel` times `element_size` bytes.
    """
    flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    flat = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
    values = flat.view(torch.uint8).numpy()
    if sys.byteorder == "big":
        values = values.reshape(-1, flat.element_size())[:, ::-1]
    return values.tobytes()


def type_name(tensor: Tensor) -> str:
    """The type of a tensor's values, e.g. `float32`."""
    return str(tensor.dtype).removeprefix("torch.")
