"""The settings that the site shows are settings."""

import re
from pathlib import Path

from migrate_examples.scan.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


def test_the_settings_of_the_page_are_read(tmp_path: Path) -> None:
    (shown,) = re.findall(
        r"^```toml\n(.*?)^```", (ROOT / "docs/scan.md").read_text(), re.M | re.S
    )
    file = tmp_path / "pyproject.toml"
    file.write_text(shown)
    found = load_settings(file)
    changed = [
        f for f in Settings._fields if getattr(found, f) != getattr(Settings(), f)
    ]
    assert {"exclude", "ignore", "fail_on", "max_file_size"} <= set(changed)
