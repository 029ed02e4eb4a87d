"""An interpreter of programs, flat and folded, that builds real modules of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import migrate_examples.port.lower.helper_code as helpers
from migrate_examples.port.blocks.folded import (
    BlockClass,
    Choice,
    Folded,
    Repeat,
    Required,
)
from migrate_examples.port.program import (
    Construction,
    Filled,
    Local,
    Program,
    Step,
    Verbatim,
)

Classes = Mapping[str, BlockClass]


class Interpreted(nn.Module):
    """Lines of a program or of a class, as a module.

    Parameters
    ----------
    steps, inputs, outputs
        What ``forward`` does.
    classes : mapping
        Those that may be built.
    names : mapping
        Parameters of ``__init__`` and all that expressions may name.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Local],
        outputs: Sequence[Local],
        classes: Classes,
        names: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.steps, self.inputs, self.outputs = steps, inputs, outputs
        self.classes, self.names = classes, names
        for step in steps:
            if step.module is not None and not hasattr(self, attribute(step)):
                self.attach(attribute(step), step)

    def attach(self, name: str, step: Step) -> None:
        """Build the module of a step."""
        module = step.module
        assert module is not None
        if module.call in {"nn.Parameter", "register_buffer"}:
            (shape,) = [self.value(argument) for argument in module.arguments]
            if module.call == "nn.Parameter":
                self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            else:
                self.register_buffer(name, torch.empty(shape))
        elif step.inner is not None:
            setattr(self, name, of_program(step.inner, self.classes, self.names))
        else:
            setattr(self, name, self.build(module))

    def build(self, module: Construction) -> nn.Module:
        """Build what a construction says."""
        if isinstance(module, Choice) and not self.evaluate(module.condition):
            return nn.Identity()
        arguments: list[Any] = []
        for given in module.arguments:
            if isinstance(given, Repeat):
                for i in range(given.count):
                    names = {**self.names, given.variable: i}
                    inner = Interpreted((), (), (), self.classes, names)
                    arguments.append(inner.build(given.construction))
            else:
                arguments.append(self.value(given))
        keywords = {name: self.value(given) for name, given in module.keywords}
        if module.call in self.classes:
            return of_class(
                self.classes[module.call], arguments, keywords, self.classes, self.names
            )
        built: nn.Module = eval(module.call, dict(self.names))(*arguments, **keywords)
        return built

    def value(self, given: Any) -> Any:
        """Value of an argument."""
        if isinstance(given, Construction):
            return self.build(given)
        return self.evaluate(given.text) if isinstance(given, Verbatim) else given

    def evaluate(self, text: str) -> Any:
        """Value of an expression."""
        return eval(text, dict(self.names))

    def forward(self, *given: Tensor) -> Any:
        """Run the steps."""
        tensors = dict(zip(self.inputs, given, strict=True))
        for step in self.steps:
            names = {f"x{local.key}": tensors[local] for local in step.operands}
            text = step.expression.format(
                *(f"x{local.key}" for local in step.operands),
                module=f"self.{attribute(step)}",
            )
            made = eval(text, {**self.names, "self": self, **names})
            made = made if len(step.results) > 1 else (made,)
            tensors.update(zip(step.results, made, strict=True))
        outputs = tuple(tensors[local] for local in self.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


def attribute(step: Step) -> str:
    """Name of the attribute of a step."""
    return f"{step.layer}_{step.role}".strip("_").replace("/", "_") or "module"


def of_class(
    block: BlockClass,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    classes: Classes,
    names: Mapping[str, Any],
) -> Interpreted:
    """Instance of a class, as ``__init__`` would make it."""
    given = {p.name: p.default for p in block.parameters}
    given.update(
        {p.name: value for p, value in zip(block.parameters, arguments, strict=False)}
    )
    assert set(keywords) <= set(given)
    given.update(keywords)
    assert Required.NO_DEFAULT not in given.values()
    given = {
        name: eval(v.text, dict(names)) if isinstance(v, Verbatim) else v
        for name, v in given.items()
    }
    made = Interpreted(
        block.steps, block.inputs, block.outputs, classes, {**names, **given}
    )
    for name, text in block.kept:
        setattr(made, name, made.evaluate(text))
    return made


def of_program(
    program: Program, classes: Classes, names: Mapping[str, Any]
) -> Interpreted:
    """Module of a program."""
    return Interpreted(
        program.steps,
        [port.local for port in program.inputs],
        [port.local for port in program.outputs],
        classes,
        names,
    )


def tensors_of(program: Program, prefix: str = "") -> Iterator[tuple[str, Filled]]:
    """All tensors of a program by their names in the state dict."""
    seen = set()
    for step in program.steps:
        name = prefix + attribute(step)
        if step.module is None or name in seen:
            continue
        seen.add(name)
        for part in step.filled:
            yield f"{name}.{part.target}".rstrip("."), part
        if step.inner is not None:
            yield from tensors_of(step.inner, f"{name}.")


@pytest.fixture
def module_of() -> Callable[[Program | Folded], nn.Module]:
    """Build the module of a program, flat or folded, in float64, with its tensors."""

    def build(given: Program | Folded) -> nn.Module:
        program = given.program if isinstance(given, Folded) else given
        blocks = given.classes if isinstance(given, Folded) else ()
        classes = {block.name: block for block in blocks}
        names: dict[str, Any] = {"nn": nn, "F": functional, "torch": torch}
        names |= {name: getattr(helpers, name) for name in helpers.__all__}
        module = of_program(program, classes, names).double().eval()
        state = {
            name: torch.from_numpy(np.asarray(part.array))
            for name, part in tensors_of(program)
        }
        missing, unexpected = module.load_state_dict(state, strict=False)
        assert not unexpected
        missing = [name for name in missing if "num_batches" not in name]
        assert not missing, missing
        return module

    return build


@pytest.fixture
def randomised() -> Callable[[Program], Program]:
    """Give a program random tensors, so that no line of it is without effect."""
    generator = np.random.default_rng(0)

    def change(part: Filled) -> Filled:
        array = generator.uniform(0.5, 1.5, part.array.shape)
        fan = max(array[0].size, 1) if array.ndim > 1 else 1
        signs = generator.choice([-1.0, 1.0], array.shape)
        array = array * signs / fan**0.5 if array.ndim > 1 else array
        return replace(part, array=array)

    def randomise(program: Program) -> Program:
        made: dict[tuple[str, str], tuple[Filled, ...]] = {}
        inner: dict[int, Program] = {}
        steps = []
        for step in program.steps:
            key = (step.layer, step.role)
            if step.module is not None and key not in made:
                made[key] = tuple(change(part) for part in step.filled)
            below = step.inner
            if below is not None:
                below = inner.setdefault(id(below), randomise(below))
            filled = made[key] if step.module is not None else ()
            # A softmax of large numbers would hide differences.
            expression = "{0}" if ".softmax(" in step.expression else step.expression
            steps.append(
                replace(step, filled=filled, inner=below, expression=expression)
            )
        return replace(program, steps=tuple(steps))

    return randomise
