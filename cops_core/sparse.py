"""Linear layers with few trained weights: products whose cost is proportional to the trained weights.

Only v needs a gradient: dL/dv[k] = sum over the batch of delta[row_k] x[column_k], a product of which only
some entries are computed (sampled). If all other weights are zero, the forward pass and the gradient of the
input are sparse products, too. All results are exact.
"""

import warnings
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Measured on one CPU thread: above this density, or below this size, the dense product is faster.
MAX_SPARSE_DENSITY = 0.15
MIN_WEIGHTS = 10_000


def pays(weight: Tensor, kept: int) -> bool:
    """Whether sampled and sparse products are faster for a layer, on its device.

    Args:
        weight: The layer's weight, shape (out, in).
        kept: The number of trained weights.

    Returns:
        True if `SparseLinear` should be used.
    """
    return (
        weight.device.type == "cpu"
        and weight.numel() >= MIN_WEIGHTS
        and kept <= MAX_SPARSE_DENSITY * weight.numel()
        and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
    )


def is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer's forward pass is the product with its weight, and the weight's gradient is that.

    Not so for subclasses, for a layer whose forward pass its author has replaced, and for a weight whose
    gradient a hook changes or that is not trained.

    Args:
        layer: The layer.

    Returns:
        True if `SparseLinear` computes the same.
    """
    return (
        type(layer) is nn.Linear
        and "forward" not in vars(layer)
        and layer.weight.requires_grad
        and layer.weight.dtype in (torch.float32, torch.float64)
        and not layer.weight._backward_hooks
    )


class SparseLinear:
    """Replaces the forward pass of one linear layer.

    Args:
        layer: The layer.
        places: Positions of the trained weights in the flattened weight, ascending, shape (kept,).
        values: The trained weights, shape (kept,).
        others_are_zero: Whether all other weights are zero, so that the product is sparse.
    """

    def __init__(self, layer: nn.Linear, places: Tensor, values: nn.Parameter, others_are_zero: bool) -> None:
        self.layer = layer
        self.weight = layer.weight
        self.values = values
        self.others_are_zero = others_are_zero
        rows, columns = places // layer.in_features, places % layer.in_features
        self.rows = _pointers(rows, layer.out_features)
        self.columns = columns.to(torch.int32)
        # The same weights by column, for the gradient of the input.
        self.by_column = torch.argsort(columns, stable=True)
        self.transposed = _pointers(columns[self.by_column], layer.in_features)
        self.transposed_columns = rows[self.by_column].to(torch.int32)
        self.pattern = self.matrix(torch.zeros_like(values.detach()))

    def matrix(self, values: Tensor) -> Tensor:
        """The trained weights as a sparse matrix of shape (out, in)."""
        return _compressed(self.rows, self.columns, values, (self.layer.out_features, self.layer.in_features))

    def matrix_transposed(self, values: Tensor) -> Tensor:
        """The transposed matrix, of shape (in, out)."""
        shape = (self.layer.in_features, self.layer.out_features)
        values = values.index_select(0, self.by_column)
        return _compressed(self.transposed, self.transposed_columns, values, shape)

    def __call__(self, input: Tensor) -> Tensor:  # noqa: A002, as in torch: it may be a keyword
        """The layer's output, shape (..., out), for inputs of shape (..., in).

        The dense product is used without gradients, under autocast, in torch.func's transforms (vmap), for
        inputs of another type, and while the weight is another one (torch.func.functional_call), is not
        trained, or has a hook.
        """
        layer, weight, inputs = self.layer, self.layer.weight, input
        if (
            weight is not self.weight
            or not weight.requires_grad
            or weight._backward_hooks
            or inputs.dtype != self.values.dtype
            or not torch.is_grad_enabled()
            or torch.is_autocast_enabled(inputs.device.type)
            or torch._C._functorch.peek_interpreter_stack() is not None
        ):
            return functional.linear(inputs, weight, layer.bias)
        kind = _SparseProduct if self.others_are_zero else _DenseProduct
        flat = inputs.reshape(-1, layer.in_features)
        output: Tensor = kind.apply(flat, self.values, self)  # type: ignore[no-untyped-call]
        if layer.bias is not None:
            output = output + layer.bias
        return output.reshape(*inputs.shape[:-1], layer.out_features)

    def sampled(self, delta: Tensor, inputs: Tensor) -> Tensor:
        """The gradient of the trained weights.

        Args:
            delta: dL/d output, shape (N, out).
            inputs: The layer's inputs, shape (N, in).

        Returns:
            dL/dv, shape (kept,).
        """
        product: Tensor = torch.sparse.sampled_addmm(self.pattern, delta.t(), inputs, beta=0.0)
        gradient: Tensor = product.values()
        return gradient


class _DenseProduct(torch.autograd.Function):
    """x W', with the gradient of W at the trained positions only."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, _: Tensor, sparse: SparseLinear) -> Tensor:
        weight = sparse.layer.weight.detach()
        ctx.sparse = sparse
        ctx.save_for_backward(inputs, weight)
        return inputs @ weight.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor, None]:
        inputs, weight = ctx.saved_tensors
        into = delta @ weight if ctx.needs_input_grad[0] else None
        return into, ctx.sparse.sampled(delta, inputs), None


class _SparseProduct(torch.autograd.Function):
    """x W' for a W that is zero except for the trained weights."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, values: Tensor, sparse: SparseLinear) -> Tensor:
        ctx.sparse = sparse
        ctx.save_for_backward(inputs, values)
        output: Tensor = torch.sparse.mm(sparse.matrix(values), inputs.t())
        return output.t().contiguous()  # as a dense product's: dropout draws in the order of memory

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, Tensor, None]:
        inputs, values = ctx.saved_tensors
        into = None
        if ctx.needs_input_grad[0]:
            into = torch.sparse.mm(ctx.sparse.matrix_transposed(values), delta.t()).t()
        return into, ctx.sparse.sampled(delta, inputs), None


def _pointers(indices: Tensor, size: int) -> Tensor:
    """The start of each row in ascending row `indices`, shape (size + 1,)."""
    starts = torch.zeros(size + 1, dtype=torch.int32)
    starts[1:] = torch.bincount(indices, minlength=size).cumsum(0)
    return starts


def _compressed(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        # torch warns once per process that its compressed matrices are a beta feature.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return torch.sparse_csr_tensor(rows, columns, values, shape, check_invariants=False)
