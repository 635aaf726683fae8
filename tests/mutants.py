"""Names of a random sample of the changes that `make mutants` knows, as many from each module.

`python tests/mutants.py 20 "ptft.theory.*" 0` prints up to 20 names from each module that the
pattern selects: the same ones whenever the code and the last number, the seed, are the same.
"""

import json
import random
import sys
from fnmatch import fnmatch
from pathlib import Path


def names(pattern: str) -> dict[str, list[str]]:
    """Return what there is to sample from, by module."""
    files = sorted(Path("mutants/ptft").glob("*/*.py.meta"))
    keys = {str(f): sorted(json.loads(f.read_text())["exit_code_by_key"]) for f in files}
    found = {f: [k for k in of if fnmatch(k, pattern)] for f, of in keys.items()}
    return {f: of for f, of in found.items() if of}


def sample(pattern: str, size: int, seed: str) -> list[str]:
    """Draw `size` names from each module, one of each first: the list can be cut off anywhere."""
    draws = [
        random.Random(f"{seed} {f}").sample(of, min(size, len(of)))
        for f, of in names(pattern).items()
    ]
    return [draw[i] for i in range(size) for draw in draws if i < len(draw)]


if __name__ == "__main__":
    size, pattern, seed = sys.argv[1:]
    print("\n".join(sample(pattern, int(size), seed)))
