"""torchvision imports beside whatever build of torch is installed."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_torchvision_imports_after_the_declaration() -> None:
    result = run(
        "from migrate_examples._torchvision import declare_missing_operators\n"
        "first = declare_missing_operators()\n"
        "assert declare_missing_operators() is first, 'declaring twice is an error'\n"
        "import torchvision\n"
        "print(torchvision.models.get_model('resnet18').fc.out_features)"
    )
    assert result.stdout == "1000\n", result.stderr


def test_nothing_is_declared_where_the_builds_match() -> None:
    """With matching builds, the plain import works; declaring must then do nothing."""
    plain = run("import torchvision")
    declared = run(
        "from migrate_examples._torchvision import declare_missing_operators\n"
        "print(declare_missing_operators() is None)"
    )
    assert declared.stdout.strip() == str(plain.returncode == 0)
    if plain.returncode:
        assert "operator torchvision::nms does not exist" in plain.stderr
