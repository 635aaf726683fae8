"""What README.md shows is what happens."""

import re
import subprocess
import sys

import citing


def test_example_runs(repository, capsys):
    text = (repository / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    [output] = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_links_to_files_hold(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(((?!https?:)[^)]+)\)", text)
    assert targets
    assert all((repository / target).is_file() for target in targets)


def test_core_needs_numpy_and_scipy_only():
    """A module that is None in sys.modules cannot be imported."""
    code = """
import sys
for name in ("torch", "torchvision", "sympy", "matplotlib", "pandas", "joblib", "IPython"):
    sys.modules[name] = None
import ptft
import ptft.companion.ledger
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_entry_to_copy_is_the_bibliographys(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    [entry] = re.findall(r"```bibtex\n(.*?)\n```", text, flags=re.DOTALL)
    assert entry == citing.bibtex("anguita2026theory")
