"""Processes that start on one new folder at the same moment: how many fail.

python tests/starts.py 1000
"""

import subprocess
import sys
import tempfile
from pathlib import Path

START = """
import sys
from pathlib import Path
from ptft.sweeps import storage
for line in sys.stdin:
    folder = Path(line.strip())
    try:
        storage.claim(folder, "sweep", {"code": "abc"})
        storage.write(folder / f"d1-n1-s{sys.argv[1]}.json", "{}")
        print("ok", flush=True)
    except Exception as error:
        print(error, flush=True)
"""


def main(n_starts, n_processes=2):
    """Start pairs of claims; print the failures, and return how many there were."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen([sys.executable, "-c", START, str(i)], **pipes) for i in range(n_processes)
    ]
    failures = []
    with tempfile.TemporaryDirectory() as root:
        for i in range(n_starts):
            for process in started:
                process.stdin.write(f"{Path(root, str(i))}\n")
            for process in started:
                process.stdin.flush()
            said = [process.stdout.readline().strip() for process in started]
            failures += [line for line in said if line != "ok"]
        for process in started:
            process.communicate()
    print(
        "\n".join(failures), f"{len(failures)} of {n_starts} simultaneous starts failed", sep="\n"
    )
    return len(failures)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
