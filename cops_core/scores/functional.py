"""The functions of a network's weights whose gradients scores use."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.network import Network, Weights
from cops_core.scores.setting import Setting, differentiate
from cops_core.scores.steps import Steps

Precision = Literal["model", "float64"]


class ScalarFunction(ABC):
    """A scalar function F of the maskable weights, whose gradient is used by scores.

    Invariants. A subclass is a frozen dataclass: equal functions share one gradient. It is differentiable in
    `setting.weights` and uses only these, never `network.weights`. The network and the inputs have the type
    `precision`, the normalisation layers the mode `normalisation`.

    Attributes:
        needs_data: Whether the values of the inputs (not only their shape) or the labels matter.
        needs_second_derivative: Whether F contains a gradient itself.
        of_magnitudes: Whether F is a function of |theta|. It then receives |theta| and is differentiated in
            |theta|; unlike dF/dtheta this derivative exists at theta = 0.
        precision: "model" (that of the model's weights) or "float64".
    """

    needs_data: ClassVar[bool]
    needs_second_derivative: ClassVar[bool]
    of_magnitudes: ClassVar[bool]
    precision: ClassVar[Precision]

    @property
    @abstractmethod
    def normalisation(self) -> NormalisationMode:
        """The mode of the normalisation layers while F is computed."""

    def at_temperature(self, temperature: float) -> "ScalarFunction | None":
        """The same function with another temperature, by which the logits are divided.

        Args:
            temperature: Positive and finite.

        Returns:
            The function; None if its temperature is no setting.
        """
        return None

    def with_steps(self, steps: Steps) -> "ScalarFunction | None":
        """The same function after other steps of training.

        Args:
            steps: Their number and learning rate.

        Returns:
            The function; None if it is one of the weights as they are.
        """
        return None

    def prepared(self, network: Network) -> Network:
        """The network on which F is computed; as it is, unless a function needs another.

        Checkpointed layers run again in the backward pass, and are those of this network there, too. It does
        not depend on the weights: rounds of a selection call it once.

        Args:
            network: The network without its mask, in F's precision.

        Returns:
            The network with other parameters besides its weights.
        """
        return network

    def context(self, network: Network) -> AbstractContextManager[Any]:
        """How the network is run and differentiated; as it is, unless a function needs more.

        Args:
            network: The network.

        Returns:
            A context.
        """
        return nullcontext()

    def complaint(self, network: Network, weights: Weights, gradients: Weights) -> str | None:
        """Why gradients cannot be scores, in one line; None if they can.

        Args:
            network: The network.
            weights: theta, or |theta| if `of_magnitudes`.
            gradients: The gradients of the weights on which F depends.

        Returns:
            What is wrong, in which layers, and what to write instead.
        """
        return None

    @abstractmethod
    def gradient(self, setting: Setting) -> Sequence[Tensor]:
        """dF/dtheta.

        Args:
            setting: The network, its weights and its batches.

        Returns:
            A tensor for each of `setting.weights`, of its shape; zero where F does not depend on it.
        """


class Functional(ScalarFunction):
    """A function of inputs and labels: of several batches it is the mean of its values for each of them.

    A function that needs no data receives the problem's example as its inputs.
    """

    @abstractmethod
    def value(self, network: Network, weights: Weights, images: Any, labels: Tensor) -> Tensor:
        """F at some weights.

        Args:
            network: The network.
            weights: theta, or |theta| if `of_magnitudes`, by parameter name.
            images: The inputs: of a trial, shape (N, channels, height, width); else anything that
                `Network.output` accepts.
            labels: Of a trial, class numbers of shape (N,). If F needs no data, without any meaning.

        Returns:
            A tensor of shape ().
        """

    @final
    def gradient(self, setting: Setting) -> Sequence[Tensor]:
        """The mean over the batches of the gradients of `value`."""
        if self.needs_data:
            return setting.mean_gradient(
                lambda number: self.value(setting.network, setting.weights, *setting.pair(number)),
                whole=self.needs_second_derivative,
            )
        none = torch.empty(0, dtype=torch.long, device=setting.network.device)
        return differentiate(
            lambda: self.value(setting.network, setting.weights, setting.example, none),
            list(setting.weights.values()),
            whole=self.needs_second_derivative,
        )
