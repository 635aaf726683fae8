"""Extras bring all that is imported and nothing else, and are named where they are missing."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import notebooks
import pytest
from packaging.requirements import Requirement

import ptft
from ptft.errors import MissingExtraError, needs

PACKAGE = Path(ptft.__file__).parent
DISTRIBUTIONS = packages_distributions()
MODULES = {
    ".".join(["ptft", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def extras(project):
    """Return each extra's requirements as the project gives them."""
    given = {"": project["dependencies"]} | project["optional-dependencies"]
    return {extra: [Requirement(one) for one in lines] for extra, lines in given.items()}


def brought(extras, extra):
    """Return all packages that an extra brings, and all extras that it contains."""
    packages, contained = set(), {"", extra}
    for requirement in [*extras[""], *extras[extra]]:
        if requirement.name != "ptft":
            packages.add(requirement.name)
        for inner in requirement.extras if requirement.name == "ptft" else ():
            more = brought(extras, inner)
            packages |= more[0]
            contained |= more[1]
    return packages, contained


def imported(node, extra=""):
    """Yield the name of each absolute import below a node, and the extra that it says it needs."""
    if isinstance(node, ast.With):
        call = node.items[0].context_expr
        named = re.fullmatch(r"(?:errors\.)?needs\('(\w+)'\)", ast.unparse(call))
        extra = named[1] if named else extra
    if isinstance(node, ast.Import):
        yield from ((name.name, extra) for name in node.names)
    if isinstance(node, ast.ImportFrom) and not node.level:
        yield from ((f"{node.module}.{name.name}", extra) for name in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child, extra)


def third_party(source):
    """Return the packages that a module or cell imports, each with the extra it says it needs."""
    found = {(name.partition(".")[0], extra) for name, extra in imported(ast.parse(source))}
    own = {"ptft", *sys.stdlib_module_names}
    return {(DISTRIBUTIONS[name][0], extra) for name, extra in found if name not in own}


def below(names):
    """Return the package's modules that some names stand for, and all that these import."""
    found, new = set(), set(names)
    while new:
        name = new.pop()
        module = name if name in MODULES else name.rpartition(".")[0]
        if module in MODULES and module not in found:
            found.add(module)
            new |= _relative(module)
    return found


def _relative(module):
    """Return the names that a module imports from the package itself, absolute."""
    path, parts = MODULES[module], module.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base = [*base, node.module] if node.module else base
            found |= {".".join([*base, name.name]) for name in node.names}
    return found


@pytest.fixture(scope="module")
def cells():
    """Return the code of all chapters."""
    sources = [notebooks.read_source(path) for path in notebooks.chapters()]
    return "\n".join(cell.source for source in sources for cell in notebooks.code_cells(source))


def test_each_import_is_in_the_extra_that_it_names(extras):
    for module, path in MODULES.items():
        for package, extra in third_party(path.read_text(encoding="utf-8")):
            assert package in brought(extras, extra)[0], f"{module} imports {package}"


def test_the_chapters_import_what_their_extra_brings(extras, cells):
    packages, contained = brought(extras, "chapters")
    assert {package for package, _ in third_party(cells)} <= packages
    used = below(name for name, _ in imported(ast.parse(cells)) if name.startswith("ptft"))
    assert "ptft.sweeps.storage" in used
    for module in used:
        for _, extra in third_party(MODULES[module].read_text(encoding="utf-8")):
            assert extra in contained, f"{module} needs {extra}"


def test_no_extra_brings_more_than_is_imported(extras, cells):
    sources = [path.read_text(encoding="utf-8") for path in MODULES.values()]
    used = set().union(*map(third_party, sources))
    used |= {(package, "chapters") for package, _ in third_party(cells)}
    used.add(("jupyterlab", "book"))  # what opens a notebook is not imported by it
    given = {(r.name, extra) for extra, lines in extras.items() for r in lines if r.name != "ptft"}
    assert given <= used


def test_what_extras_bring_is_pinned_as_pip_takes_constraints(extras, repository):
    text = (repository / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pins = [Requirement(line) for line in lines]
    assert not any(pin.extras for pin in pins)
    brings = brought(extras, "chapters")[0] | brought(extras, "dask")[0]
    assert brings <= {pin.name for pin in pins if str(pin.specifier).startswith("==")}


def test_the_package_page_lists_the_extras(extras, repository):
    text = (repository / "book" / "package.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == [name for name in extras if name]


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as caught, needs("vision"):
        import torch.nn  # noqa: F401
    assert str(caught.value) == 'this needs torch: pip install "ptft[vision]"'
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, ImportError)


def test_other_failures_are_not_disguised():
    with pytest.raises(ImportError, match="cannot import name 'nothing'"), needs("plot"):
        from math import nothing  # noqa: F401


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        ("import ptft.companion.plotting", "matplotlib", "plot"),
        ("from ptft.companion import ledger; ledger.table('theory')", "IPython", "chapters"),
        ("from ptft.sweeps import provenance; provenance.read_table('x')", "pandas", "experiments"),
        ("from ptft.vision import data", "PIL", "vision"),
        (
            "import ptft\nstart = ptft.initial_weights(ptft.Initialization(1, 0))\n"
            "ptft.gradient_descent([[1]], [1], start)",
            "torch",
            "vision",
        ),
    ],
)
def test_the_package_says_what_it_needs(code, missing, extra):
    done = run(missing, code)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.endswith(f'MissingExtraError: this needs {missing}: pip install "ptft[{extra}]"')


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        ("sweep x", "joblib", "experiments"),
        ("table x", "threadpoolctl", "experiments"),
        ("sweep x --dask y", "dask", "dask"),
        ("vision x", "torch", "vision"),
        ("vision x", "joblib", "vision"),
        ("vision-table x", "torchvision", "vision"),
    ],
)
def test_the_command_line_says_what_it_needs(words, missing, extra, tmp_path):
    done = run(missing, f"from ptft.command import main\nsys.exit(main({words.split()}))", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f'ptft: this needs {missing}: pip install "ptft[{extra}]"\n'


def run(missing, code, folder=None):
    """Run code where one package cannot be imported."""
    code = f"import sys\nsys.modules[{missing!r}] = None\n{code}"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
