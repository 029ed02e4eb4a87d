"""Scopes of names."""

from migrate_examples.scan.scopes import Scope, merge


def test_functions_do_not_see_the_names_of_a_class() -> None:
    module = Scope("module")
    module.bind("x", "tf")
    owner = Scope("class", module)
    owner.bind("x", "keras")
    assert owner.find("x") == (True, "keras")
    assert Scope("function", owner).find("x") == (True, "tf")
    assert Scope("comprehension", owner).find("x") == (True, "tf")


def test_a_name_bound_to_something_else_hides_the_one_around() -> None:
    module = Scope("module")
    module.bind("x", "tf")
    function = Scope("function", module)
    function.bind("x", None)
    assert function.find("x") == (True, None)
    assert function.find("y") == (False, None)


def test_a_walrus_leaves_comprehensions() -> None:
    function = Scope("function", Scope("module"))
    inner = Scope("comprehension", Scope("comprehension", function))
    inner.bind_walrus("x", "tf")
    assert function.names == {"x": "tf"}


def test_global_and_nonlocal() -> None:
    module = Scope("module")
    outer = Scope("function", module)
    outer.bind("x", None)
    inner = Scope("function", outer)
    inner.declare("x", is_global=False)
    inner.declare("y", is_global=True)
    inner.bind("x", "tf")
    inner.bind("y", "keras")
    assert outer.names == {"x": "tf"}
    assert module.names == {"y": "keras"}


def test_global_at_the_top_changes_nothing() -> None:
    module = Scope("module")
    module.declare("x", is_global=True)
    module.bind("x", "tf")
    assert module.names == {"x": "tf"}


def test_after_branches_the_first_known_value_counts() -> None:
    assert merge({"x": "tf"}, {"x": "keras"}) == {"x": "tf"}
    assert merge({"x": None}, {"x": "keras"}) == {"x": "keras"}
    assert merge({}, {"x": None}) == {"x": None}
