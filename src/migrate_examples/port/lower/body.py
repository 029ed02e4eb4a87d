"""The body of a ``forward`` while it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from migrate_examples.port.graph import Call, Value
from migrate_examples.port.program import (
    Construction,
    Filled,
    Layout,
    Local,
    Program,
    Step,
)


class Body:
    """Collects steps; knows in which layout each tensor of the model is at hand.

    Parameters
    ----------
    keys : iterator of int
        Numbers for new locals, shared by the bodies of nested models.
    lower : function of a Call
        Lowers another call into this body: what a wrapper needs for its layer.

    Attributes
    ----------
    pending : dict
        Calls that are lowered when somebody takes what they make.
    in_layers : set of int
        Arrays that are weights of layers, by their ``id``.
    reorderable : dict
        Flattened tensors that Dense layers alone look at, by key, with those that
        lie between; see ``reorder``.
    """

    def __init__(
        self, keys: "count[int]", lower: Callable[[Call], None] | None = None
    ) -> None:
        self.keys = keys
        self.lower = lower if lower is not None else _no_lowerings
        self.pending: dict[int, Call] = {}
        self.reorderable: dict[int, tuple[Value, ...]] = {}
        self.in_layers: set[int] = set()
        self.columns: dict[int, NDArray[np.int64]] = {}
        self.steps: list[Step] = []
        self.helpers: dict[str, None] = {}
        self.at_hand: dict[tuple[int, Layout], Local] = {}
        self.native: dict[int, Layout] = {}
        self.layer = ""

    def layout_of(self, value: Value) -> Layout:
        """Layout in which a tensor was made; converting it costs a line."""
        self._fetch(value)
        return self.native[value.key]

    def _fetch(self, value: Value) -> None:
        """Lower the call that makes a tensor, if it was put off until it is wanted.

        Masks are: most layers do not look at theirs.
        """
        call = self.pending.pop(value.key, None)
        if call is not None:
            layer, self.layer = self.layer, call.layer
            self.lower(call)
            self.layer = layer

    def value(self, shape: Sequence[int | None], dtype: str) -> Value:
        """A tensor that is not in the Keras graph, for a call that a wrapper makes."""
        return Value(-1 - next(self.keys), tuple(shape), dtype)

    def reorder(self, value: Value, order: NDArray[np.int64]) -> bool:
        """Say that the columns of a flattened tensor stand in another order.

        Flatten asks this where its input is channels first. True where only Dense
        layers use what comes of it: they take their rows in the same order, see
        ``order_of``, and the permutation of each batch is saved.

        Parameters
        ----------
        value : Value
            Output of the Flatten.
        order : ndarray of int
            Column ``n`` of the written tensor is column ``order[n]`` of Keras's.
        """
        followers = self.reorderable.get(value.key)
        if followers is None:
            return False
        for follower in followers:
            self.columns[follower.key] = order
        return True

    def order_of(self, value: Value) -> NDArray[np.int64] | None:
        """Which columns of Keras's tensor the written one has; None: the same.

        A Dense layer takes ``kernel[order]``; nobody else sees such a tensor.
        """
        return self.columns.get(value.key)

    def take(self, value: Value, layout: Layout) -> Local:
        """Return a tensor in a layout; writes the permutation where it is needed.

        Tensors of one or two axes are the same in both.
        """
        self._fetch(value)
        if value.rank <= 2:
            layout = self.native[value.key]
        wanted = (value.key, layout)
        if wanted not in self.at_hand:
            have = self.at_hand[value.key, self.native[value.key]]
            self.at_hand[wanted] = self.line(permutation(value.rank, layout), have)
        return self.at_hand[wanted]

    def give(self, value: Value, local: Local, layout: Layout) -> None:
        """Say which local is a tensor of the model, and in which layout."""
        self.at_hand[value.key, layout] = local
        self.native[value.key] = layout

    def line(
        self, expression: str, *operands: Local, rank: int | None = None, note: str = ""
    ) -> Local:
        """Write ``result = expression``; return the result.

        Parameters
        ----------
        expression : str
            A format string over the operands: ``F.relu({0})``.
        operands : Local
            What it uses.
        rank : int, optional
            Axes of the result, where they differ from the first operand's.
        note : str
            A comment for the line.
        """
        result = Local(next(self.keys), operands[0].rank if rank is None else rank)
        self.steps.append(Step((result,), expression, operands, self.layer, note=note))
        return result

    def module(
        self,
        call: str,
        arguments: Sequence[Any],
        operands: Sequence[Local],
        *,
        keywords: Mapping[str, Any] | None = None,
        filled: Sequence[Filled] = (),
        role: str = "",
        expression: str = "",
        rank: int | None = None,
        results: int = 1,
        note: str = "",
    ) -> Any:
        """Build a module in ``__init__`` and call it here.

        Parameters
        ----------
        call : str
            What is built, ``nn.Conv2d``.
        arguments : sequence
            Literals that it takes by position.
        operands : sequence of Local
            What it is called with.
        keywords : mapping
            Literals that it takes by name; leave out its defaults.
        filled : sequence of Filled
            Its tensors.
        role : str
            Needed where a layer has several modules.
        expression : str
            How it is called; default ``{module}({0}, {1}, …)``.
        rank : int, optional
            Axes of the result, where they differ from the first operand's.
        results : int
            Number of results; from two on a tuple of locals comes back.
        note : str
            A comment for the line.

        Returns
        -------
        Local, or tuple of Local
        """
        rank = operands[0].rank if rank is None else rank
        made = tuple(Local(next(self.keys), rank) for _ in range(results))
        if not expression:
            places = ", ".join(f"{{{n}}}" for n in range(len(operands)))
            expression = f"{{module}}({places})"
        construction = Construction(
            call, tuple(arguments), tuple((keywords or {}).items())
        )
        self.steps.append(
            Step(
                made,
                expression,
                tuple(operands),
                self.layer,
                role,
                construction,
                tuple(filled),
                note=note,
            )
        )
        return made[0] if results == 1 else made

    def nested(
        self, layer: str, inner: Program, operands: Sequence[Local], note: str = ""
    ) -> tuple[Local, ...]:
        """Call the class of a nested model; it returns its outputs as a tuple."""
        made = tuple(Local(next(self.keys), port.local.rank) for port in inner.outputs)
        places = ", ".join(f"{{{n}}}" for n in range(len(operands)))
        step = Step(
            made,
            f"{{module}}({places})",
            tuple(operands),
            layer,
            inner=inner,
            note=note,
        )
        self.steps.append(step)
        for helper in inner.helpers:
            self.need(helper)
        return made

    def state(self) -> tuple[Any, ...]:
        """What has been written so far, for ``restore``."""
        return (
            len(self.steps),
            dict(self.at_hand),
            dict(self.native),
            dict(self.pending),
        )

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take back what was written since: a lowering that did not come to its end."""
        count, at_hand, native, pending = state
        del self.steps[count:]
        self.at_hand, self.native, self.pending = at_hand, native, pending

    def tied(self, array: NDArray[Any]) -> Local | None:
        """A weight that belongs to a module written before; None if there is none."""
        for step in self.steps:
            for filled in step.filled:
                if filled.array is array and filled.target:
                    result = Local(next(self.keys), array.ndim)
                    again = replace(
                        step,
                        results=(result,),
                        expression=f"{{module}}.{filled.target}",
                        operands=(),
                        note="",
                    )
                    self.steps.append(again)
                    return result
        return None

    def parameter(
        self, filled: Filled, role: str, rank: int, *, trainable: bool = True
    ) -> Local:
        """A bare ``nn.Parameter``, or a buffer where it is not trainable."""
        call = "nn.Parameter" if trainable else "register_buffer"
        return self._attribute(
            Construction(call, (filled.array.shape,)), filled, role, rank
        )

    def _attribute(
        self, construction: Construction, filled: Filled, role: str, rank: int
    ) -> Local:
        result = Local(next(self.keys), rank)
        self.steps.append(
            Step((result,), "{module}", (), self.layer, role, construction, (filled,))
        )
        return result

    def need(self, helper: str) -> str:
        """Ask for a helper class or function of ``helper_code``; return its name."""
        self.helpers[helper] = None
        return helper

    def program(self, name: str, inputs: Any, outputs: Any, returns: Any) -> Program:
        """All that was written, as a Program."""
        return Program(
            name, inputs, outputs, returns, tuple(self.steps), tuple(self.helpers)
        )


def _no_lowerings(call: Call) -> None:
    raise NotImplementedError(f"this body lowers no other call, as {call.layer} wants")


def permutation(rank: int, layout: Layout) -> str:
    """Expression that brings a tensor into a layout from the other one.

    >>> permutation(4, Layout.FIRST)
    '{0}.permute(0, 3, 1, 2)'
    >>> permutation(3, Layout.LAST)
    '{0}.transpose(1, 2)'
    """
    if rank == 3:
        return "{0}.transpose(1, 2)"
    middle = range(1, rank - 1)
    order = (
        (0, rank - 1, *middle) if layout is Layout.FIRST else (0, *range(2, rank), 1)
    )
    return f"{{0}}.permute({', '.join(map(str, order))})"
