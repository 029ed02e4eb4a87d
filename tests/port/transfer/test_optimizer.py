"""Training that is moved after 5 steps goes on for 20 as it would have in Keras."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # the field's name

from migrate_examples.port.live import archive_of
from migrate_examples.port.transfer import (
    TransferError,
    keras_epsilon,
    transfer,
    transfer_optimizer,
)
from migrate_examples.port.transfer.slots import SlotError, slots_of
from tests.port.transfer import nets

RATE = 2.0**-6
MOMENTUM = 0.875
BETAS = (0.875, 0.984375)
"""Binary fractions, as Keras rounds constants to float32 even in float64."""
EPSILON = 2.0**-20
NO_EPSILON = 2.0**-60
"""RMSprop has it inside the root in Keras, outside in PyTorch: let it not count."""
ADAM = {"beta_1": BETAS[0], "beta_2": BETAS[1], "epsilon": EPSILON}
OPTIMIZERS = keras.optimizers


class Pair(NamedTuple):
    keras: Callable[[], Any]
    torch: Callable[[Any], torch.optim.Optimizer]
    trick: bool = False


PAIRS = {
    "Adam": Pair(
        lambda: OPTIMIZERS.Adam(RATE, **ADAM),
        lambda p: torch.optim.Adam(p, RATE, betas=BETAS),
        trick=True,
    ),
    "Adam, amsgrad": Pair(
        lambda: OPTIMIZERS.Adam(RATE, amsgrad=True, **ADAM),
        lambda p: torch.optim.Adam(p, RATE, betas=BETAS, amsgrad=True),
        trick=True,
    ),
    "AdamW": Pair(
        lambda: OPTIMIZERS.AdamW(RATE, weight_decay=0.125, **ADAM),
        lambda p: torch.optim.AdamW(p, RATE, betas=BETAS, weight_decay=0.125),
        trick=True,
    ),
    "SGD": Pair(lambda: OPTIMIZERS.SGD(RATE), lambda p: torch.optim.SGD(p, RATE)),
    "SGD, momentum": Pair(
        lambda: OPTIMIZERS.SGD(RATE, momentum=MOMENTUM),
        lambda p: torch.optim.SGD(p, RATE, momentum=MOMENTUM),
    ),
    "SGD, nesterov": Pair(
        lambda: OPTIMIZERS.SGD(RATE, momentum=MOMENTUM, nesterov=True),
        lambda p: torch.optim.SGD(p, RATE, momentum=MOMENTUM, nesterov=True),
    ),
    "RMSprop": Pair(
        lambda: OPTIMIZERS.RMSprop(RATE, rho=MOMENTUM, epsilon=NO_EPSILON),
        lambda p: torch.optim.RMSprop(p, RATE, alpha=MOMENTUM, eps=NO_EPSILON),
    ),
    "RMSprop, momentum, centred": Pair(
        lambda: OPTIMIZERS.RMSprop(
            RATE / 16, rho=MOMENTUM, momentum=0.5, epsilon=NO_EPSILON, centered=True
        ),
        lambda p: torch.optim.RMSprop(
            p, RATE / 16, alpha=MOMENTUM, momentum=0.5, eps=NO_EPSILON, centered=True
        ),
    ),
}


def trained(net: str, optimizer: Any) -> tuple[Any, nn.Module, list[Any]]:
    """A model of all layouts that matter, after 5 steps; its twin; batches."""
    rng = np.random.default_rng(17)
    batches: list[Any]
    if net == "pictures":
        model = nets.model(
            nets.L.Conv2D(4, 3, activation="tanh"),
            nets.L.Flatten(),
            nets.L.Dense(3),
            shape=(5, 6, 4),
        )
        module: nn.Module = nets.Pictures(
            nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)
        )
        batches = [
            (rng.normal(size=(8, 5, 6, 4)), rng.normal(size=(8, 3))) for _ in range(25)
        ]
    else:
        model = nets.words(nets.L.GRU(4, return_sequences=True))
        module = nets.Words(kind=nn.GRU)
        batches = [
            (rng.permutation(9)[None, :5], rng.normal(size=(1, 5, 2)))  # none twice
            for _ in range(25)
        ]
    for v in model.weights:
        v.assign(rng.normal(size=v.shape) * 0.5)
    model.compile(optimizer, "mse", run_eagerly=True)  # tracing costs seconds
    for x, y in batches[:5]:
        model.train_on_batch(x, y)
    return model, module, batches


def resumed(
    model: Any, module: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]
) -> float:
    """Largest difference of any weight after 20 more steps on both sides."""
    for x, y in batches[5:]:
        model.train_on_batch(x, y)
        optimizer.zero_grad()
        F.mse_loss(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    after = type(module)(kind=nn.GRU) if isinstance(module, nets.Words) else None
    wanted = after or nets.Pictures(
        nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)
    )
    transfer(model, wanted)
    pairs = zip(wanted.parameters(), module.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


@pytest.mark.parametrize(
    "name,net",
    [
        *((name, "words") for name in PAIRS),
        *((name, "pictures") for name in ("Adam", "SGD, momentum", "RMSprop")),
    ],
)
def test_training_resumes(name: str, net: str) -> None:
    pair = PAIRS[name]
    model, module, batches = trained(net, pair.keras())
    ledger = transfer(model, module)
    optimizer = pair.torch(module.parameters())
    state = transfer_optimizer(model, optimizer, module, ledger)
    if pair.trick:
        keras_epsilon(optimizer, EPSILON)  # type: ignore[arg-type]  # an Adam, then
    # 1e-10: 20 steps in float64; without the state it is above 1e-3
    assert resumed(model, module, optimizer, batches) < 1e-10
    assert len(state.entries) == len(ledger.entries) * len(
        next(iter(optimizer.state.values()), {}).keys() - {"step"}
    )


@pytest.mark.parametrize("name", ["Adam", "SGD, momentum", "RMSprop"])
def test_without_the_state_training_goes_elsewhere(name: str) -> None:
    pair = PAIRS[name]
    model, module, batches = trained("pictures", pair.keras())
    transfer(model, module)
    optimizer = pair.torch(module.parameters())
    assert resumed(model, module, optimizer, batches) > 1e-3


@pytest.mark.parametrize(
    "name", ["Adam, amsgrad", "SGD, momentum", "RMSprop, momentum, centred"]
)
def test_numbers_say_the_same_as_names(name: str) -> None:
    pair = PAIRS[name]
    archive = archive_of(trained("pictures", pair.keras())[0])
    named = slots_of(archive.optimizer, "", 4)
    numbers = {
        f"optimizer/vars/{n}": a for n, a in enumerate(archive.optimizer.values())
    }
    numbered = slots_of(numbers, name.split(",", maxsplit=1)[0], 4)
    assert (numbered.iteration, numbered.learning_rate) == (5, named.learning_rate)
    assert numbered.by_slot.keys() == named.by_slot.keys()
    for slot, arrays in named.by_slot.items():
        for (_, a), (_, b) in zip(arrays, numbered.by_slot[slot], strict=True):
            assert np.array_equal(a, b)


def test_a_keras_optimizer_is_a_source() -> None:
    model, module, _ = trained("pictures", PAIRS["Adam"].keras())
    ledger = transfer(model, module)
    first, second = (PAIRS["Adam"].torch(module.parameters()) for _ in range(2))
    transfer_optimizer(model, first, module, ledger)
    transfer_optimizer(model.optimizer, second, module, ledger)
    for p in module.parameters():
        for name, value in first.state[p].items():
            assert torch.equal(value, second.state[p][name])


def test_the_second_bias_must_be_frozen() -> None:
    layer = nets.L.LSTM(4, return_sequences=True)
    model = nets.words(layer)
    model.compile(OPTIMIZERS.Adam(), "mse", run_eagerly=True)
    model.train_on_batch(np.zeros((2, 5), "int64"), np.zeros((2, 5, 2)))
    module = nets.Words(kind=nn.LSTM)
    ledger = transfer(model, module)
    assert any("bias_hh_l0: zeros" in note for note in ledger.notes)
    optimizer = torch.optim.Adam(module.parameters())
    with pytest.raises(TransferError, match=r"rnn.bias_hh_l0 \(16,\) has no state"):
        transfer_optimizer(model, optimizer, module, ledger)
    assert not optimizer.state
    module.rnn.bias_hh_l0.requires_grad_(False)
    transfer_optimizer(model, optimizer, module, ledger)
    assert len(optimizer.state) == len(list(module.parameters())) - 1


def refusal(saved: str, given: Callable[..., torch.optim.Optimizer]) -> str:
    model, module, _ = trained("pictures", PAIRS[saved].keras())
    ledger = transfer(model, module)
    optimizer = given(module.parameters())
    with pytest.raises(TransferError) as error:
        transfer_optimizer(model, optimizer, module, ledger)
    assert not optimizer.state
    return str(error.value)


def test_another_family_is_refused() -> None:
    assert "which a torch.optim.SGD has not" in refusal("Adam", torch.optim.SGD)


def test_an_unknown_optimizer_is_refused() -> None:
    assert "no state for a torch.optim.NAdam" in refusal("Adam", torch.optim.NAdam)


def test_missing_momentum_is_refused() -> None:
    assert "with its momentum" in refusal("SGD, momentum", torch.optim.SGD)


def test_momentum_that_was_not_saved_is_refused() -> None:
    message = refusal("SGD", lambda p: torch.optim.SGD(p, momentum=0.5))
    assert "momentum=0.5, the saved one has not" in message


def test_dampening_is_refused() -> None:
    message = refusal(
        "SGD, momentum", lambda p: torch.optim.SGD(p, momentum=0.5, dampening=0.5)
    )
    assert "no dampening" in message


def test_no_state_is_refused() -> None:
    with pytest.raises(SlotError, match="has no state of an optimizer"):
        slots_of({}, "Adam", 4)


def test_a_state_of_other_variables_is_refused() -> None:
    numbers = {str(n): np.zeros(()) for n in range(5)}
    with pytest.raises(SlotError, match="5 arrays are not the state of Adam for 4"):
        slots_of(numbers, "Adam", 4)


def test_a_token_that_comes_twice_is_noted_and_does_differ() -> None:
    pair = PAIRS["Adam"]
    model, module, batches = trained("words", pair.keras())
    twice = [(x * 0 + 3, y) if n > 4 else (x, y) for n, (x, y) in enumerate(batches)]
    ledger = transfer(model, module)
    optimizer = pair.torch(module.parameters())
    state = transfer_optimizer(model, optimizer, module, ledger)
    keras_epsilon(optimizer, EPSILON)  # type: ignore[arg-type]  # an Adam, then
    assert "squares the gradient of each place" in " ".join(state.notes)
    assert resumed(model, module, optimizer, twice) > 1e-3


def test_another_learning_rate_is_noted() -> None:
    model, module, _ = trained("pictures", PAIRS["Adam"].keras())
    ledger = transfer(model, module)
    optimizer = torch.optim.Adam(module.parameters(), 0.5)
    state = transfer_optimizer(model, optimizer, module, ledger)
    assert "the learning rate was 0.015625, the optimizer has 0.5" in state.notes
