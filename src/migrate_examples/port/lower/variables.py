"""What a user's layer computes with itself: its own variables, and fixed arrays."""

from migrate_examples.port.graph import Call
from migrate_examples.port.lower import UnsupportedError, lowers
from migrate_examples.port.lower.body import Body
from migrate_examples.port.program import Filled, Layout


@lowers("Weight")
def weight(call: Call, body: Body) -> None:
    """``nn.Parameter``; a buffer where it is not trained.

    A weight of a layer that code around it uses too, as a language model's head uses
    its table of words, is that layer's own.
    """
    ((name, array),) = call.weights.items()
    if id(array) in body.in_layers:
        local = body.tied(array)
        if local is None:
            raise UnsupportedError(
                f"{name} is used by its layer and by code around it, where PyTorch "
                "keeps it in another layout or another module: tie them by hand"
            )
        body.give(call.outputs[0], local, Layout.LAST)
        return
    filled = Filled("", array, (name,), "as it is")
    trainable = bool(call.config["trainable"])
    role = str(call.config["name"]).replace("/", "_")
    local = body.parameter(filled, role, array.ndim, trainable=trainable)
    body.give(call.outputs[0], local, Layout.LAST)


@lowers("Constant")
def constant(call: Call, body: Body) -> None:
    """A buffer, with values that are no variable of the Keras model."""
    array = call.weights["value"]
    filled = Filled("", array, (), "a constant of the graph")
    local = body.parameter(filled, "", array.ndim, trainable=False)
    body.give(call.outputs[0], local, Layout.LAST)
