"""The folders are floors: imports go down, and `import ptft` is light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import ptft

ROOT = Path(ptft.__file__).parent
FLOORS = (
    "errors",
    "values",
    "model",
    "theory",
    "training",
    "balanced",
    "sweeps",
    "vision",
    "companion",
)
CORE = ("model", "theory", "training", "balanced")
LAZY = {"torch", "warnings"}  # imported by a core module where it is used


def imports(path):
    """Return the modules that a file imports, absolute; of `from a import b`, a.b."""
    package = ["ptft", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = len(package) - node.level + 1
            base = ".".join((package[:up] if node.level else []) + [node.module or ""]).strip(".")
            yield from (f"{base}.{name.name}" for name in node.names)


def modules(folder):
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS[2:])
def test_imports_go_down(floor):
    above = {f"ptft.{name}" for name in FLOORS[FLOORS.index(floor) + 1 :]}
    for path in modules(floor):
        for name in imports(path):
            assert ".".join(name.split(".")[:2]) not in above, f"{path} imports {name}"


@pytest.mark.parametrize("floor", CORE)
def test_the_core_needs_numpy_and_scipy(floor):
    allowed = {"ptft", "numpy", "scipy", *sys.stdlib_module_names}
    for path in modules(floor):
        found = {name.split(".")[0] for name in imports(path)}
        assert found - allowed <= LAZY, path


def test_importing_the_package_is_light():
    code = "import sys, ptft; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"scipy.integrate", "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.stats"}
    heavy |= {"joblib", "matplotlib", "pandas", "sympy", "torch"}
    assert not heavy & set(loaded)


@pytest.mark.parametrize("floor", ["", *(f".{name}" for name in CORE)])
def test_a_floor_exports_what_it_says(floor):
    package = importlib.import_module(f"ptft{floor}")
    assert package.__all__ == sorted(package.__all__, key=lambda name: (not name.isupper(), name))
    defined = {getattr(getattr(package, name), "__name__", name) for name in package.__all__}
    assert defined <= set(package.__all__) | {"Initialization"}
    for name in package.__all__:
        assert not isinstance(getattr(package, name), type(sys)), f"{name} is a module"
