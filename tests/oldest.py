"""Print the oldest versions that pyproject.toml allows, as pip's constraints.

python tests/oldest.py
"""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def constraints():
    """Return a line `name==version` for each requirement with a lower bound."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    bounds = [
        re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line) for group in groups for line in group
    ]
    return sorted({f"{bound[1]}=={bound[2]}.*" for bound in bounds if bound})


if __name__ == "__main__":
    print("\n".join(constraints()))
