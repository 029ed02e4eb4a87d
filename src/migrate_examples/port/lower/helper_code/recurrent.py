"""Helpers of recurrent layers: masks, other activations, convolutions.

Printed as they stand into the written files.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # as PyTorch's users write it
from torch import Tensor, nn


def valid_first(x: Tensor, mask: Tensor) -> Tensor:
    """Bring the steps that a mask keeps to the front, in their order."""
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    return x.take_along_dim(order[:, :, None], dim=1)


def repeat_last(outputs: Tensor, mask: Tensor) -> Tensor:
    """Put outputs of steps that ``valid_first`` has moved back to where they were.

    A masked step repeats the output before it, and is zero where there is none.
    """
    step = mask.cumsum(dim=1)[:, :, None] - 1
    return outputs.take_along_dim(step.clamp(min=0), dim=1) * (step >= 0)


class StepwiseLSTM(nn.Module):
    """LSTM, step by step: masks, any activations, dropout of the state.

    A masked step leaves the states and repeats the output before it, zeros at first.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.input = nn.Linear(input_size, 4 * hidden_size, bias=bias)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return outputs (batch, steps, hidden_size), and the last states."""
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        h, c = (zeros, zeros) if state is None else state
        output, outputs = zeros, []
        kept = x.new_ones(4, x.shape[0], self.hidden_size)
        kept = F.dropout(kept, self.recurrent_dropout, self.training)
        rows = self.recurrent.weight.chunk(4)
        for n, gates in enumerate(self.input(x).unbind(1)):
            i, f, g, o = (
                gate + F.linear(h * keep, row)
                for gate, keep, row in zip(
                    gates.chunk(4, dim=1), kept, rows, strict=True
                )
            )
            i, f, o = map(self.recurrent_activation, (i, f, o))
            new_c = f * c + i * self.activation(g)
            new_h = o * self.activation(new_c)
            if mask is None:
                output, h, c = new_h, new_h, new_c
            else:
                valid = mask[:, n, None]
                output = torch.where(valid, new_h, output)
                h, c = torch.where(valid, new_h, h), torch.where(valid, new_c, c)
            outputs.append(output)
        return torch.stack(outputs, dim=1), (h, c)


class StepwiseGRU(nn.Module):
    """GRU, step by step: ``reset_after=False``, masks, any activations, dropout.

    A masked step leaves the state and repeats the output before it, zeros at first.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        reset_after: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.reset_after = reset_after
        self.input = nn.Linear(input_size, 3 * hidden_size, bias=bias)
        self.recurrent = nn.Linear(
            hidden_size, 3 * hidden_size, bias=bias and reset_after
        )
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, steps, hidden_size), and the last state."""
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        h = zeros if state is None else state
        output, outputs = zeros, []
        kept = x.new_ones(3, x.shape[0], self.hidden_size)
        kept = F.dropout(kept, self.recurrent_dropout, self.training)
        rows = self.recurrent.weight.chunk(3)
        bias = self.recurrent.bias
        shifts = (None, None, None) if bias is None else bias.chunk(3)
        for n, gates in enumerate(self.input(x).unbind(1)):
            r, z, new = gates.chunk(3, dim=1)
            r = self.recurrent_activation(r + F.linear(h * kept[0], rows[0], shifts[0]))
            z = self.recurrent_activation(z + F.linear(h * kept[1], rows[1], shifts[1]))
            held = h * kept[2]
            if self.reset_after:
                new = self.activation(new + r * F.linear(held, rows[2], shifts[2]))
            else:
                new = self.activation(new + F.linear(r * held, rows[2]))
            new_h = z * h + (1 - z) * new
            if mask is None:
                output, h = new_h, new_h
            else:
                valid = mask[:, n, None]
                output, h = (torch.where(valid, new_h, old) for old in (output, h))
            outputs.append(output)
        return torch.stack(outputs, dim=1), h


class StepwiseRNN(nn.Module):
    """Simple recurrent layer, step by step: masks, any activation, dropout.

    A masked step leaves the state and repeats the output before it, zeros at first.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.input = nn.Linear(input_size, hidden_size, bias=bias)
        self.recurrent = nn.Linear(hidden_size, hidden_size, bias=False)
        self.activation = activation
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, steps, hidden_size), and the last state."""
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        h = zeros if state is None else state
        output, outputs = zeros, []
        kept = F.dropout(torch.ones_like(zeros), self.recurrent_dropout, self.training)
        for n, step in enumerate(self.input(x).unbind(1)):
            new_h = self.activation(step + self.recurrent(h * kept))
            if mask is None:
                output, h = new_h, new_h
            else:
                valid = mask[:, n, None]
                output, h = (torch.where(valid, new_h, old) for old in (output, h))
            outputs.append(output)
        return torch.stack(outputs, dim=1), h


class ConvLSTM(nn.Module):
    """LSTM whose products are convolutions, over (batch, steps, channels, …).

    A masked step leaves the states and repeats the output before it, zeros at first.
    """

    def __init__(
        self,
        input: nn.Module,  # noqa: A002  # the part of the input
        recurrent: nn.Module,
        *,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> None:
        super().__init__()
        self.input = input
        self.recurrent = recurrent
        self.activation = activation
        self.recurrent_activation = recurrent_activation

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return outputs (batch, steps, channels, …), and the last states."""
        steps = self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        zeros = torch.zeros_like(steps[:, 0].chunk(4, dim=1)[0])
        h, c = (zeros, zeros) if state is None else state
        output, outputs = zeros, []
        for n, step in enumerate(steps.unbind(1)):
            i, f, g, o = (step + self.recurrent(h)).chunk(4, dim=1)
            i, f, o = map(self.recurrent_activation, (i, f, o))
            new_c = f * c + i * self.activation(g)
            new_h = o * self.activation(new_c)
            if mask is None:
                output, h, c = new_h, new_h, new_c
            else:
                valid = mask[:, n].view(-1, *[1] * (h.ndim - 1))
                output = torch.where(valid, new_h, output)
                h, c = torch.where(valid, new_h, h), torch.where(valid, new_c, c)
            outputs.append(output)
        return torch.stack(outputs, dim=1), (h, c)
