"""Folding: the same computation, of the same tensors, in fewer lines."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from migrate_examples.port.blocks.fold import fold, programs
from migrate_examples.port.blocks.folded import (
    Choice,
    Folded,
    FoldedStep,
    Repeat,
)
from migrate_examples.port.program import (
    Construction,
    Filled,
    Layout,
    Local,
    Port,
    Program,
    Step,
    Verbatim,
)

ModuleOf = Callable[[Program | Folded], nn.Module]


class Pen:
    """Writes programs by hand; channels come first throughout."""

    def __init__(self, channels: int = 3, name: str = "written") -> None:
        self.name = name
        self.keys = count()
        self.numbers = Counter[str]()
        self.steps: list[Step] = []
        self.input = self.local()
        self.channels = {self.input: channels}

    def local(self) -> Local:
        """A new tensor."""
        return Local(next(self.keys), 4)

    def line(self, expression: str, *operands: Local) -> Local:
        """A line without module."""
        made = self.local()
        self.channels[made] = self.channels[operands[0]]
        self.steps.append(Step((made,), expression, operands, "lines"))
        return made

    def module(
        self, call: str, x: Local, *arguments: object, **keywords: object
    ) -> Local:
        """A line that calls a module."""
        made = self.local()
        self.channels[made] = self.channels[x]
        self.numbers[call] += 1
        layer = f"{call.rpartition('.')[2].lower()}_{self.numbers[call]}"
        module = Construction(call, arguments, tuple(keywords.items()))
        filled = tuple(filled_of(module))
        self.steps.append(
            Step((made,), "{module}({0})", (x,), layer, "", module, filled)
        )
        return made

    def conv(self, x: Local, out: int, size: int = 1, **keywords: object) -> Local:
        """A convolution that keeps the places, but for its stride."""
        if size > 1:
            keywords["padding"] = size // 2
        made = self.module(
            "nn.Conv2d", x, self.channels[x], out, size, **keywords, bias=False
        )
        self.channels[made] = out
        return made

    def norm(self, x: Local) -> Local:
        """A batch normalisation."""
        return self.module("nn.BatchNorm2d", x, self.channels[x], eps=1e-3)

    def relu(self, x: Local) -> Local:
        """A ReLU."""
        return self.line("F.relu({0})", x)

    def unit(self, x: Local, out: int, size: int = 1, **keywords: object) -> Local:
        """A convolution, its normalisation, a ReLU."""
        return self.relu(self.norm(self.conv(x, out, size, **keywords)))

    def program(self, *outputs: Local) -> Program:
        """All that was written."""
        shape = (None, self.channels[self.input], None, None)
        port = Port("x", self.input, shape, "float32", Layout.FIRST)
        return Program(
            self.name,
            (port,),
            tuple(Port("y", y, shape, "float32", Layout.FIRST) for y in outputs),
            outputs[0] if len(outputs) == 1 else outputs,
            tuple(self.steps),
            (),
        )


def filled_of(module: Construction) -> Iterator[Filled]:
    """Tensors of a module, random ones; variances are positive."""
    built: nn.Module = getattr(nn, module.call.removeprefix("nn."))(
        *module.arguments, **dict(module.keywords)
    )
    generator = torch.Generator().manual_seed(len(str(module)))
    for name, tensor in built.state_dict().items():
        if name != "num_batches_tracked":
            array = torch.rand(tensor.shape, generator=generator) + 0.5
            scale = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 1
            signs = torch.rand(tensor.shape, generator=generator) < 0.5
            if tensor.ndim > 1:
                array = torch.where(signs, -array, array) / scale**0.5
            yield Filled(name, array.double().numpy(), (f"keras_{name}",), "as it is")


def bottleneck(pen: Pen, x: Local, channels: int, stride: int = 1) -> Local:
    """ResNet's block; where the channels change, the way around has a convolution."""
    around = x
    if pen.channels[x] != 4 * channels:
        around = pen.norm(pen.conv(x, 4 * channels, stride=stride))
    y = pen.unit(x, channels, 1, stride=stride)
    y = pen.unit(y, channels, 3)
    y = pen.norm(pen.conv(y, 4 * channels))
    return pen.relu(pen.line("{0} + {1}", around, y))


def residual_net() -> Program:
    """Two stages of bottlenecks."""
    pen = Pen()
    x = pen.unit(pen.input, 8, 3)
    for channels, stride, blocks in ((4, 1, 3), (8, 2, 4)):
        for n in range(blocks):
            x = bottleneck(pen, x, channels, stride if n == 0 else 1)
    return pen.program(pen.line("{0}.mean((2, 3))", x))


def inverted_net() -> Program:
    """Blocks of MobileNetV2: some do not expand, some have no way around."""
    pen = Pen()
    x = pen.unit(pen.input, 8, 3, stride=2)
    settings = ((4, 8, 1), (6, 24, 2), (6, 36, 1), (6, 36, 1), (12, 36, 2), (12, 72, 1))
    for out, hidden, stride in settings:
        y = x if hidden == pen.channels[x] else pen.unit(x, hidden)
        y = pen.unit(y, hidden, 3, stride=stride, groups=hidden)
        y = pen.norm(pen.conv(y, out))
        same = stride == 1 and out == pen.channels[x]
        x = pen.line("{0} + {1}", x, y) if same else y
    return pen.program(x)


def dense_net() -> Program:
    """Dense layers, which concatenate, and transitions."""
    pen = Pen()
    x = pen.conv(pen.input, 8, 3)
    for layers in (4, 5):
        for _ in range(layers):
            y = pen.conv(pen.relu(pen.norm(x)), 12)
            y = pen.conv(pen.relu(pen.norm(y)), 4, 3)
            wide = pen.channels[x] + 4
            x = pen.line("torch.cat(({0}, {1}), dim=1)", x, y)
            pen.channels[x] = wide
        x = pen.conv(pen.relu(pen.norm(x)), pen.channels[x] // 2)
        x = pen.module("nn.AvgPool2d", x, 2)
    return pen.program(x)


def separable_net() -> Program:
    """Depthwise and pointwise convolutions in turn: nothing forks."""
    pen = Pen()
    x = pen.unit(pen.input, 8, 3, stride=2)
    for out, stride in ((16, 1), (24, 2), (24, 1), (24, 1), (24, 1)):
        x = pen.unit(x, pen.channels[x], 3, stride=stride, groups=pen.channels[x])
        x = pen.unit(x, out)
    return pen.program(x)


def u_net() -> Program:
    """Two convolutions at each depth, and ways across."""
    pen = Pen()
    x, across = pen.input, []
    for channels in (4, 8, 16):
        x = pen.unit(pen.unit(x, channels, 3), channels, 3)
        across.append(x)
        x = pen.module("nn.MaxPool2d", x, 2)
    x = pen.unit(pen.unit(x, 32, 3), 32, 3)
    for channels in (16, 8, 4):
        x = pen.module("nn.ConvTranspose2d", x, pen.channels[x], channels, 2, stride=2)
        pen.channels[x] = 2 * channels
        x = pen.line("torch.cat(({0}, {1}), dim=1)", x, across.pop())
        pen.channels[x] = 2 * channels
        x = pen.unit(pen.unit(x, channels, 3), channels, 3)
    return pen.program(pen.conv(x, 1), x)


def inception_net() -> Program:
    """Branches of one, two and three convolutions."""
    pen = Pen(8)
    x = pen.input
    for channels in (4, 6, 8):
        one = pen.unit(x, channels)
        two = pen.unit(pen.unit(x, channels), channels, 3)
        three = pen.unit(pen.unit(pen.unit(x, 4), channels, 3), 2 * channels, 5)
        x = pen.line("torch.cat(({0}, {1}, {2}), dim=1)", one, two, three)
        pen.channels[x] = 4 * channels
    return pen.program(x)


NETS = (residual_net, inverted_net, dense_net, separable_net, u_net, inception_net)


def written(folded: Folded) -> int:
    """Lines of the source: those of bodies, of ``__init__``, and around a class."""
    bodies = [folded.program.steps, *(block.steps for block in folded.classes)]
    lines = sum(1 + (s.module is not None) for steps in bodies for s in steps)
    return lines + 6 * len(folded.classes)


def block_named(folded: Folded, name: str) -> list[str]:
    """Parameters of a class."""
    (block,) = [block for block in folded.classes if block.name == name]
    return [parameter.name for parameter in block.parameters]


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_folded_computes_the_same_bits(
    net: Callable[[], Program], module_of: ModuleOf
) -> None:
    program = net()
    folded = fold(program)
    assert folded.classes
    assert written(folded) < 2 * len(program.steps)
    x = torch.randn(2, program.inputs[0].shape[1] or 1, 16, 16, dtype=torch.float64)
    flat, blocks = module_of(program), module_of(folded)
    for mode in (True, False):
        given = flat.train(mode)(x), blocks.train(mode)(x)
        pairs = zip(
            *((g,) if isinstance(g, torch.Tensor) else g for g in given), strict=True
        )
        for one, other in pairs:
            assert one.std() > 1e-3  # else everything is equal
            assert torch.equal(one, other)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_every_tensor_and_line_survives_once(net: Callable[[], Program]) -> None:
    program = net()
    folded = fold(program)
    before = Counter(
        (id(part.array), tuple(f"{step.layer}/{s}" for s in part.sources))
        for step in program.steps
        for part in step.filled
    )
    after, lines = Counter[object](), Counter[object]()
    for step in folded.program.steps:
        whole = isinstance(step, FoldedStep)
        for part in step.filled:
            sources = [s if whole else f"{step.layer}/{s}" for s in part.sources]
            after[id(part.array), tuple(sources)] += 1
        if isinstance(step, FoldedStep):
            lines.update((o.layer, o.role) for o in step.origins)
            targets = [part.target for part in step.filled]
            assert len(set(targets)) == len(targets)
            paths = {o.path for o in step.origins}
            assert all(target.rpartition(".")[0] in paths for target in targets)
        else:
            lines[step.layer, step.role] += 1
    assert after == before
    assert lines == Counter((step.layer, step.role) for step in program.steps)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_folding_twice_gives_the_same(net: Callable[[], Program]) -> None:
    assert str(fold(net())) == str(fold(net()))


def test_origins_say_which_line_of_which_class() -> None:
    folded = fold(residual_net())
    classes = {block.name: block for block in folded.classes}
    for step in folded.program.steps:
        for origin in step.origins if isinstance(step, FoldedStep) else ():
            line = classes[origin.block].steps[origin.index]
            name = origin.path.split(".")[1:]
            assert line.layer in {*name, ""}


def test_bottlenecks_are_written_as_people_write_them() -> None:
    folded = fold(residual_net())
    assert block_named(folded, "ResidualBlock") == ["in_channels", "channels", "stride"]
    (block,) = folded.classes
    shortcut = next(s.module for s in block.steps if s.layer == "shortcut")
    assert isinstance(shortcut, Choice)
    assert shortcut.call == "nn.Sequential"
    assert shortcut.condition == "in_channels != 4 * channels"
    stages = [
        step.module.arguments
        for step in folded.program.steps
        if step.module is not None and step.module.call == "nn.Sequential"
    ]
    first = Construction("ResidualBlock", (16, 8), (("stride", 2),))
    assert stages[1] == (first, Repeat(Construction("ResidualBlock", (32, 8)), 3))


def test_blocks_without_a_way_around_join_those_that_have_one() -> None:
    folded = fold(inverted_net())
    names = ["in_channels", "hidden_channels", "out_channels", "stride"]
    assert block_named(folded, "InvertedResidual") == names
    built = [
        module
        for step in folded.program.steps
        if step.module is not None
        for module in (step.module, *step.module.arguments)
        if isinstance(module, Construction | Repeat)
    ]
    blocks = sum(
        m.count if isinstance(m, Repeat) else m.call == "InvertedResidual"
        for m in built
    )
    assert blocks == 6


def test_dense_layers_count_up_in_a_loop() -> None:
    folded = fold(dense_net())
    loops = [
        part
        for step in folded.program.steps
        if step.module is not None
        for part in step.module.arguments
        if isinstance(part, Repeat)
    ]
    assert [(loop.count, loop.variable) for loop in loops] == [(4, "i"), (5, "i")]
    assert loops[0].construction.arguments == (Verbatim("8 + 4 * i"),)


def test_what_occurs_once_is_no_class() -> None:
    pen = Pen()
    x = pen.unit(pen.input, 4, 3)
    program = pen.program(pen.line("{0} + {1}", x, pen.unit(x, 4, 3)))
    folded = fold(program)
    assert not folded.classes
    assert not any(isinstance(step, FoldedStep) for step in folded.program.steps)


def test_shared_modules_stay_where_they_are(module_of: ModuleOf) -> None:
    pen = Pen()
    x = pen.unit(pen.input, 8, 3)
    for _ in range(4):
        x = bottleneck(pen, x, 2)
    once = pen.steps[3]  # a convolution inside the first block is called again
    assert once.module is not None
    program = pen.program(x)
    again = replace(once, results=(Local(999, 4),), operands=program.steps[2].results)
    y = Step((Local(1000, 4),), "{0} + {1}", (x, x), "sum")
    end = Step(
        (Local(1001, 4),), "{0}.mean() + {1}.mean()", (y.results[0], *again.results), ""
    )
    port = replace(program.outputs[0], local=end.results[0])
    program = replace(program, steps=(*program.steps, again, y, end), outputs=(port,))
    folded = fold(program)
    x_in = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(module_of(program)(x_in), module_of(folded)(x_in))
    calls = [s for s in folded.program.steps if s.layer == once.layer]
    assert len(calls) == 2


def test_inner_programs_share_the_classes(module_of: ModuleOf) -> None:
    inner = residual_net()
    pen = Pen(name="outer")
    x = pen.unit(pen.input, 8, 3)
    for n in range(3):
        x = bottleneck(pen, x, 4 if n < 2 else 8)
    x = pen.conv(x, 3)
    made = Local(5000, 2)
    call = Construction("Inner", ())
    step = Step((made,), "{module}({0})", (x,), "inner", "", call, (), inner)
    outer = pen.program(x)
    outer = replace(
        outer,
        steps=(*outer.steps, step),
        outputs=(replace(outer.outputs[0], local=made),),
    )
    folded = fold(outer)
    names = [block.name for block in folded.classes]
    assert names == ["ConvBNReLU", "ResidualBlock"]
    assert len(programs(folded.program)) == 2
    x_in = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(module_of(outer)(x_in), module_of(folded)(x_in))


def test_reserved_names_are_not_taken() -> None:
    folded = fold(residual_net(), reserved=("ResidualBlock",))
    assert [block.name for block in folded.classes] == ["ProjectionBlock"]


def test_random_chains_keep_their_bits(module_of: ModuleOf) -> None:
    generator = np.random.default_rng(1)
    for _ in range(25):
        pen = Pen(4)
        x = pen.input
        for _ in range(int(generator.integers(3, 7))):
            kind = int(generator.integers(5))
            size = int(generator.choice([1, 3]))
            y = pen.unit(x, int(generator.choice([4, 8])), size)
            if kind == 1:
                y = pen.norm(pen.conv(y, pen.channels[x], 3))
                y = pen.line("{0} + {1}", x, y)
            elif kind == 2:
                z = pen.conv(x, pen.channels[y])
                y = pen.relu(pen.line("{0} + {1}", z, y))
            elif kind == 3:
                wide = pen.channels[x] + pen.channels[y]
                y = pen.line("torch.cat(({0}, {1}), dim=1)", x, y)
                pen.channels[y] = wide
            elif kind == 4:
                s = pen.line("{0}.mean((2, 3), keepdim=True)", y)
                s = pen.conv(pen.relu(pen.conv(s, 2)), pen.channels[y])
                y = pen.line("{0} * {1}", y, pen.line("torch.sigmoid({0})", s))
            x = y
        program = pen.program(x)
        folded = fold(program)
        x_in = torch.randn(1, 4, 6, 6, dtype=torch.float64)
        one, other = module_of(program)(x_in), module_of(folded)(x_in)
        assert torch.equal(one, other)
