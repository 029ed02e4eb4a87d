"""A ladder from shapes to training: it stops at the first rung that fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor, nn

from migrate_examples.port.archive import Array
from migrate_examples.port.parity.axes import closeness
from migrate_examples.port.parity.comparison import apart, gradient_errors
from migrate_examples.port.parity.divergence import (
    Runs,
    first_call,
    judge,
    run_both,
)
from migrate_examples.port.parity.errors import ParityError
from migrate_examples.port.parity.feeding import Feed, feed_of
from migrate_examples.port.parity.gradients import Side, keras_side, torch_side
from migrate_examples.port.parity.parameters import Pair, pair_parameters, variables_of
from migrate_examples.port.parity.precision import keras_copy, same_draws, torch_copy
from migrate_examples.port.parity.recipes import (
    LOSSES,
    OPTIMIZERS,
    Loss,
    Optimizer,
    chosen,
)
from migrate_examples.port.parity.replay import record, replay
from migrate_examples.port.parity.rungs import Ladder, Rung, forward_rung
from migrate_examples.port.parity.tolerances import CONSTANT


@dataclass
class Climb:
    """What the rungs share: copies in float64, and how they are trained."""

    theirs: Any
    port: nn.Module
    feed: Feed
    targets: Array
    loss: Loss
    optimizer: Optimizer
    steps: int
    pairs: Mapping[str, str]
    runs: Runs
    tolerance: float
    pairing: tuple[Pair, ...] = ()
    before: tuple[Side, Side] | None = None
    step: Callable[[], None] = lambda: None

    def shapes(self) -> Rung:
        """Compare the outputs' number and shapes."""
        ours, port = self.runs.keras.outputs, self.runs.torch
        if port.raised:
            return Rung(
                "shapes", holds=False, error=np.inf, says=self.reason(training=False)
            )
        if len(ours) != len(port.outputs):
            says = f"Keras returns {len(ours)} outputs, the port {len(port.outputs)}"
            return Rung("shapes", holds=False, error=np.inf, says=says)
        for number, (a, b) in enumerate(zip(ours, port.outputs, strict=True)):
            if closeness(a, b).error == np.inf and np.isfinite(b).all():
                says = f"output {number} is {a.shape} in Keras, {b.shape} in the port"
                return Rung(
                    "shapes",
                    holds=False,
                    error=np.inf,
                    where=f"output {number}",
                    says=says,
                )
        return Rung("shapes", holds=True, error=0.0)

    def reason(self, *, training: bool) -> str:
        """Why the port ended with an error."""
        return str(judge(self.runs, self.pairs, training=training).verdict())

    def weights(self) -> Rung:
        """Look for every trainable variable of Keras in the port."""
        names, arrays = variables_of(self.theirs)
        self.pairing = pair_parameters(names, arrays, self.port, self.pairs)
        used = {number for pair in self.pairing for number in pair.variables}
        lost = [name for number, name in enumerate(names) if number not in used]
        if not lost:
            return Rung("weights", holds=True, error=0.0)
        found = judge(self.runs, self.pairs)
        says = f"no parameter of the port holds the numbers of {', '.join(lost)}"
        if found.agrees:
            # the same function from other numbers: a folded bias, a scale drawn in
            return Rung("weights", holds=True, error=0.0, says=says)
        says = f"{says}.\n{found.verdict()}"
        return Rung(
            "weights",
            holds=False,
            error=np.inf,
            where=lost[0],
            says=says,
            divergence=found,
        )

    def evaluation_forward(self) -> Rung:
        """Compare all layers in evaluation mode."""
        return forward_rung("evaluation forward", judge(self.runs, self.pairs))

    def training_forward(self) -> Rung:
        """Compare all layers in training mode, draws replayed, then statistics."""
        runs = run_both(
            self.theirs, self.port, self.feed, "float64", self.layout, training=True
        )
        return forward_rung("training forward", judge(runs, self.pairs, training=True))

    @property
    def layout(self) -> str:
        """How the port takes its inputs."""
        return "NCHW" if self.runs.layout != "NHWC" else "NHWC"

    def both_sides(self) -> tuple[Side, Side]:
        """Loss and gradients of both in training mode, with the same draws."""
        targets = keras.ops.convert_to_tensor(self.targets)

        def keras_loss(outputs: list[Any]) -> Any:
            extra = sum(self.theirs.losses)
            return (
                keras.ops.cast(self.loss.keras(targets, outputs[0]), "float64") + extra
            )

        def torch_loss(outputs: list[Tensor]) -> Tensor:
            return self.loss.torch(outputs[0], torch.from_numpy(self.targets.copy()))

        with record(self.theirs) as draws:
            ours = keras_side(
                self.theirs, self.feed, "float64", keras_loss, training=True
            )
        self.port.train()
        with replay(self.port, draws):
            theirs = torch_side(
                self.port,
                self.feed,
                "float64",
                self.runs.layout,
                ours.outputs,
                torch_loss,
            )
        return ours, theirs

    def loss_value(self) -> Rung:
        """Compare the loss."""
        self.before = self.both_sides()
        ours, theirs = self.before
        error = abs(ours.loss - theirs.loss) / (abs(ours.loss) or 1.0)
        says = f"the loss is {ours.loss:.12g} in Keras, {theirs.loss:.12g} in the port"
        says += ": reduction, logits or probabilities, regularisers, class weights?"
        return self.judged("loss", error, "loss", says)

    def gradients(self) -> Rung:
        """Compare the gradients by the parameters."""
        if self.before is None:
            raise ParityError("the loss comes before the gradients")
        ours, theirs = self.before
        names = [name for name, _ in self.port.named_parameters()]
        by_name = dict(zip(names, theirs.parameters, strict=True))
        errors = gradient_errors(ours, by_name, self.pairing)
        name = max(errors, key=lambda n: errors[n], default="")
        says = (
            f"the gradient of {name} differs: is a part detached, or trained otherwise?"
        )
        return self.judged("gradients", errors.get(name, 0.0), name, says)

    def judged(self, name: str, error: float, where: str, says: str) -> Rung:
        """A rung that holds up to the tolerance."""
        holds = bool(error <= self.tolerance)
        return Rung(name, holds, error, "" if holds else where, "" if holds else says)

    def train(self) -> Callable[[], None]:
        """Make what takes one step on both sides."""
        theirs = self.optimizer.keras()
        ours = self.optimizer.torch(
            [p for p in self.port.parameters() if p.requires_grad]
        )
        theirs.build(self.theirs.trainable_variables)

        def step() -> None:
            sides = self.before or self.both_sides()
            self.before = None
            variables = self.theirs.trainable_variables
            gradients = [
                keras.ops.zeros_like(v.value)
                if g is None
                else keras.ops.convert_to_tensor(g, dtype=v.dtype)
                for g, v in zip(sides[0].parameters, variables, strict=True)
            ]
            theirs.apply(gradients, variables)
            for p, g in zip(self.port.parameters(), sides[1].parameters, strict=True):
                p.grad = None if g is None else torch.from_numpy(g.copy())
            ours.step()

        return step

    def one_step(self) -> Rung:
        """Compare after one step."""
        self.step = self.train()
        self.step()
        return self.parameters("one step")

    def more_steps(self) -> Rung:
        """Compare after all steps."""
        for _ in range(self.steps - 1):
            self.step()
        return self.parameters("n steps")

    def parameters(self, name: str) -> Rung:
        """Compare the parameters after some steps."""
        _, arrays = variables_of(self.theirs)
        mine = dict(self.port.named_parameters())
        errors = {
            pair.torch: apart(
                pair.arranged(arrays), mine[pair.torch].detach().double().numpy(), 0.0
            )
            for pair in self.pairing
        }
        worst = max(errors, key=lambda n: errors[n], default="")
        says = (
            f"{worst} differs after the optimizer's step: epsilon, momentum, decay, "
            "frozen parameters?"
        )
        return self.judged(name, errors.get(worst, 0.0), worst, says)


def ladder(
    keras_model: Any,
    module: nn.Module,
    inputs: Any,
    targets: Any,
    *,
    loss: str | tuple[Any, Any] = "mean_squared_error",
    optimizer: str | tuple[Any, Any] = "sgd",
    steps: int = 5,
    pairs: Mapping[str, str] | None = None,
    layout: str = "auto",
) -> Ladder:
    """Climb from shapes to training in float64; stop at the first rung that fails.

    Both models are copied. In training mode dropout of the port uses what Keras
    drew. The loss is that of the first output.

    Parameters
    ----------
    targets : array
        Of the first output, in the layout in which the port returns it.
    loss : str or pair of callables
        ``mean_squared_error``, ``cross_entropy`` of logits, or Keras's
        ``(targets, outputs)`` and PyTorch's ``(outputs, targets)``.
    optimizer : str or pair of callables
        ``sgd``, ``momentum``, ``adam``, or ``() -> keras optimizer`` and
        ``parameters -> torch optimizer``.
    steps : int
        Of the last rung.

    Raises
    ------
    ParityError
        On inputs that do not fit, unknown names, or models that cannot be copied.
    """
    if steps < 1:
        raise ParityError(f"steps is {steps}: one at least")
    feed = feed_of(keras_model, inputs)
    target = np.asarray(targets)
    if len(target) != len(feed.arrays[0]):
        raise ParityError(
            f"{len(target)} targets for {len(feed.arrays[0])} inputs: one each"
        )
    target = target.astype("float64") if target.dtype.kind == "f" else target
    both = chosen(loss, LOSSES, Loss, "loss")
    steppers = chosen(optimizer, OPTIMIZERS, Optimizer, "optimizer")
    with same_draws():
        runs = run_both(
            keras_model, torch_copy(module, "float64").eval(), feed, "float64", layout
        )
        theirs = keras_copy(keras_model, "float64", first_call(feed, "float64"))
        port = torch_copy(module, "float64")
        climb = Climb(
            theirs,
            port,
            feed,
            target,
            both,
            steppers,
            steps,
            pairs or {},
            runs,
            CONSTANT,
        )
        return climbed(climb)


def climbed(climb: Climb) -> Ladder:
    """Try the rungs, one after the other."""
    tried: list[Rung] = []

    for rung in (
        climb.shapes,
        climb.weights,
        climb.evaluation_forward,
        climb.training_forward,
        climb.loss_value,
        climb.gradients,
        climb.one_step,
        climb.more_steps,
    ):
        tried.append(rung())
        if not tried[-1].holds:
            break
    return Ladder(tuple(tried))
