"""String arguments that the map has rows for."""

from collections.abc import Iterator

import pytest

from migrate_examples.scan import scan_text, strings
from migrate_examples.scan.names import Entry

HEAD = "import tensorflow as tf\nfrom tensorflow import keras\n"


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A map with these strings, whatever rows there are."""
    known = {
        "padding": ("same",),
        "activation": ("relu",),
        "loss": ("mse",),
        "metrics": ("accuracy",),
        "optimizer": ("adam",),
    }
    table: dict[str, dict[str, str]] = {
        argument: {value: f'{argument}="{value}"' for value in values}
        for argument, values in known.items()
    }
    monkeypatch.setattr(strings, "mapped", lambda: table)
    monkeypatch.setattr(strings, "entry_of", lambda s: Entry("same", s, "", "", ""))
    return iter(())


@pytest.mark.parametrize(
    "source, expected",
    [
        ("keras.layers.Conv2D(3, 3, padding='same')", ['padding="same"']),
        ("tf.nn.max_pool2d(x, 2, 2, 'SAME')", ['padding="same"']),
        ("keras.layers.Activation('relu')", ['activation="relu"']),
        (
            "keras.Model(a, b).compile('adam', 'mse', metrics=['accuracy', f])",
            ['optimizer="adam"', 'loss="mse"', 'metrics="accuracy"'],
        ),
        ("unknown.compile(loss='mse')", ['loss="mse"']),
        ("keras.layers.Conv2D(3, 3, padding='other')", []),
        ("keras.layers.Conv2D(3, 3, padding=same)", []),
        ("unknown(padding='same')", []),
        ("unknown.call(padding='same', loss='mse')", []),
        ("print('same')", []),
        ("tf.constant('same')", []),
    ],
)
def test_strings(source: str, expected: list[str]) -> None:
    found = scan_text(HEAD + source).findings
    assert [f.symbol for f in found if f.category == "argument"] == expected


def test_a_string_is_named_as_it_is_written() -> None:
    source = HEAD + "tf.nn.max_pool2d(x, 2, 2, padding='SAME')"
    (found,) = [f for f in scan_text(source).findings if f.category == "argument"]
    assert found.name == 'padding="SAME"'
    assert found.place[1:5] == (3, 35, 3, 41)


def test_the_map_has_strings() -> None:
    from migrate_examples.api_map.index import rows_by_symbol

    assert sum('="' in name for name in rows_by_symbol()) >= 20
