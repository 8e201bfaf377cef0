"""Products of linear layers with few kept weights: their cost is proportional to the kept weights.

Only v needs a gradient: dL/dv[k] = sum over the batch of delta[row_k] x[column_k], a product of which only
some entries are computed (sampled). If all other weights are zero, the forward pass and the gradient of the
input are sparse products, too. All results are exact.

These products need their factors transposed, which takes longer than the products: it is done once for all
of them, and only for the columns that have kept weights.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

# Measured on one CPU thread: above this density, or below this size, the dense product is faster.
MAX_SPARSE_DENSITY = 0.15
MIN_WEIGHTS = 10_000
# Above this share of columns with kept weights, gathering them takes longer than transposing them all.
MAX_GATHERED = 0.6


def pays(weight: Tensor, kept: int) -> bool:
    """Whether sampled and sparse products are faster for a layer, on its device.

    Args:
        weight: The layer's weight, shape (out, in).
        kept: The number of kept weights.

    Returns:
        True if `SparseProducts` should be used.
    """
    return (
        weight.device.type == "cpu"
        and weight.numel() >= MIN_WEIGHTS
        and kept <= MAX_SPARSE_DENSITY * weight.numel()
        and bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
    )


def is_plain(layer: nn.Module) -> bool:
    """Whether a layer's forward pass is the product with its weight, and the weight's gradient is that.

    Not so for subclasses, for a layer whose forward pass its author has replaced, and for a weight whose
    gradient a hook changes or that is not trained.

    Args:
        layer: The layer, not yet masked.

    Returns:
        True if `SparseProducts` computes the same.
    """
    return (
        type(layer) is nn.Linear
        and "forward" not in vars(layer)
        and layer.weight.requires_grad
        and layer.weight.dtype in (torch.float32, torch.float64)
        and not layer.weight._backward_hooks
    )


class SparseProducts:
    """The products of one linear layer.

    Args:
        places: Positions of the kept weights in the flattened weight, ascending, shape (kept,).
        shape: The weight's, (out, in).
        like: Of the kept weights' type.
        others_are_zero: Whether all other weights are zero, so that the product itself is sparse.
    """

    def __init__(self, places: Tensor, shape: torch.Size, like: Tensor, others_are_zero: bool) -> None:
        outputs, inputs = self.shape = (shape[0], shape[1])
        self.places = places
        self.others_are_zero = others_are_zero
        rows, columns = places // inputs, places % inputs
        used = torch.bincount(columns, minlength=inputs).nonzero().squeeze(1)
        # The only columns that are computed, if they are few.
        self.used = used if 0 < len(used) <= MAX_GATHERED * inputs else None
        self.width = inputs if self.used is None else len(used)
        columns = columns if self.used is None else torch.searchsorted(used, columns)
        self.rows = _pointers(rows, outputs)
        self.columns = columns.to(torch.int32)
        # The same weights by column, for the gradient of the input.
        self.by_column = torch.argsort(columns, stable=True)
        self.transposed = _pointers(columns[self.by_column], self.width)
        self.transposed_columns = rows[self.by_column].to(torch.int32)
        with warnings.catch_warnings():
            # torch warns once per process that its compressed matrices are a beta feature.
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
            self.pattern = self.matrix(torch.zeros(len(places), dtype=like.dtype))

    def at(self, places: Tensor) -> "SparseProducts":
        """The products of the same layer with other kept weights, as many as these."""
        return SparseProducts(places, torch.Size(self.shape), self.pattern.values(), self.others_are_zero)

    def __deepcopy__(self, memo: dict[int, Any]) -> "SparseProducts":
        """Itself: nothing of it changes, and torch does not copy its compressed matrix."""
        return self

    def matrix(self, values: Tensor) -> Tensor:
        """The kept weights as a sparse matrix of shape (out, width)."""
        shape = (self.shape[0], self.width)
        return torch.sparse_csr_tensor(self.rows, self.columns, values, shape, check_invariants=False)

    def matrix_transposed(self, values: Tensor) -> Tensor:
        """The transposed matrix, of shape (width, out)."""
        values, shape = values.index_select(0, self.by_column), (self.width, self.shape[0])
        return torch.sparse_csr_tensor(
            self.transposed, self.transposed_columns, values, shape, check_invariants=False
        )

    def columns_of(self, inputs: Tensor) -> Tensor:
        """The columns of x that are computed, shape (width, N), each in one piece."""
        return (inputs if self.used is None else inputs.index_select(1, self.used)).t().contiguous()

    def whole(self, columns: Tensor) -> Tensor:
        """A gradient of x, shape (N, in), from one of `columns_of`."""
        if self.used is not None:
            columns = columns.new_zeros(self.shape[1], columns.shape[1]).index_copy_(0, self.used, columns)
        return columns.t()

    def suit(self, inputs: Tensor, values: Tensor) -> bool:
        """Whether they compute a forward pass: not without gradients, nor under autocast."""
        return (
            values.requires_grad
            and inputs.dtype == values.dtype == self.pattern.dtype
            and inputs.device.type == values.device.type == "cpu"
            and torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )

    def product(
        self, inputs: Tensor, values: Tensor, weight: Tensor | None, scale: Tensor | None = None
    ) -> Tensor:
        """x W'.

        Args:
            inputs: x, shape (N, in).
            values: The kept weights, shape (kept,).
            weight: The whole weight, without a gradient; None if all others are zero.
            scale: If given, its gradient is zero, not none.

        Returns:
            Shape (N, out).
        """
        if weight is None:
            return _Sparse.apply(inputs, values, self)  # type: ignore[no-untyped-call, no-any-return]
        return _Dense.apply(inputs, values, self, weight, scale)  # type: ignore[no-untyped-call, no-any-return]

    def dense_gradients(self, delta: Tensor, inputs: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the inputs and of the kept weights by dense operations, which have derivatives."""
        return delta @ weight, (delta.t() @ inputs).reshape(-1).index_select(0, self.places)

    def sampled(self, deltas: Tensor, columns: Tensor) -> Tensor:
        """The gradient of the kept weights.

        Args:
            deltas: dL/d output, transposed, shape (out, N).
            columns: The layer's inputs, see `columns_of`.

        Returns:
            dL/dv, shape (kept,).
        """
        product: Tensor = torch.sparse.sampled_addmm(self.pattern, deltas, columns.t(), beta=0.0)
        gradient: Tensor = product.values()
        return gradient


class _Dense(torch.autograd.Function):
    """x W', with the gradient of W at the kept places only."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        values: Tensor,
        products: SparseProducts,
        weight: Tensor,
        scale: Tensor | None,
    ) -> Tensor:
        ctx.products = products
        ctx.zero = None if scale is None else torch.zeros_like(scale)
        ctx.save_for_backward(inputs, values, weight)
        return inputs @ weight.t()

    @staticmethod
    def backward(ctx: Any, *deltas: Tensor) -> tuple[Tensor | None, Tensor, None, None, Tensor | None]:
        (delta,) = deltas
        inputs, values, weight = ctx.saved_tensors
        if _needs_dense(delta):
            weight = weight.reshape(-1).index_copy(0, ctx.products.places, values).view(weight.shape)
            return *ctx.products.dense_gradients(delta, inputs, weight), None, None, ctx.zero
        into = delta @ weight if ctx.needs_input_grad[0] else None
        gradient = ctx.products.sampled(delta.t(), ctx.products.columns_of(inputs))
        return into, gradient, None, None, ctx.zero


class _Sparse(torch.autograd.Function):
    """x W' for a W that is zero except for the kept weights."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, values: Tensor, products: SparseProducts) -> Tensor:
        columns = products.columns_of(inputs)
        ctx.products = products
        ctx.save_for_backward(inputs, values, columns)
        output: Tensor = torch.sparse.mm(products.matrix(values), columns)
        return output.t().contiguous()  # as a dense product's: dropout draws in the order of memory

    @staticmethod
    def backward(ctx: Any, *deltas: Tensor) -> tuple[Tensor | None, Tensor, None]:
        (delta,) = deltas
        inputs, values, columns = ctx.saved_tensors
        if _needs_dense(delta):
            shape = ctx.products.shape
            weight = values.new_zeros(shape[0] * shape[1]).index_copy(0, ctx.products.places, values)
            return *ctx.products.dense_gradients(delta, inputs, weight.view(shape)), None
        transposed, into = delta.t().contiguous(), None
        if ctx.needs_input_grad[0]:
            into = ctx.products.whole(torch.sparse.mm(ctx.products.matrix_transposed(values), transposed))
        return into, ctx.products.sampled(transposed, columns), None


def _needs_dense(delta: Tensor) -> bool:
    """Whether a backward pass itself is differentiated, or computes several gradients at once."""
    # A tensor that stands for several, of `torch.func.vmap` or `is_grads_batched`, has no memory of its own.
    return torch.is_grad_enabled() or not torch._C._has_storage(delta)


def _pointers(indices: Tensor, size: int) -> Tensor:
    """The start of each row in ascending row `indices`, shape (size + 1,)."""
    starts = torch.zeros(size + 1, dtype=torch.int32)
    starts[1:] = torch.bincount(indices, minlength=size).cumsum(0)
    return starts
