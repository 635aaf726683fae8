"""Progress of long work: a bar on a terminal, a line a minute in a log."""

import sys
import time

from ..errors import needs

with needs("experiments"):
    from tqdm import tqdm

__all__ = ["Progress", "duration"]

_EVERY = 60.0  # seconds between lines


def duration(seconds):
    """Return a time in words, to about two digits: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """How far a piece of work is, on standard error.

    Parameters
    ----------
    total : int
        Units of work.
    done : int
        What was there before.
    unit : str
    name : str, optional
        In front of each line.
    shown : bool
        Whether to show anything.
    """

    def __init__(self, total, done=0, unit="job", name=None, shown=True):
        self.total, self.start, self.done, self.unit, self.name = total, done, done, unit, name
        self.began = self.last = time.monotonic()
        self.shown, terminal = shown, shown and sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, unit=unit, desc=name) if terminal else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()
        elif self.shown and self.done > self.start:
            self._line()

    def update(self, done=None, note=""):
        """Say how much is done, one unit more by default, and anything worth a note."""
        self.done = self.done + 1 if done is None else done
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(self.done - self.bar.n)
        elif self.shown and time.monotonic() - self.last > _EVERY:
            self._line(note)

    def _line(self, note=""):
        self.last = time.monotonic()
        rate = (self.done - self.start) / max(self.last - self.began, 1e-9)
        words = [f"{self.done} of {self.total} {self.unit}s"]
        if 0 < self.done < self.total and rate:
            words.append(f"about {duration((self.total - self.done) / rate)} left")
        name = f"{self.name}: " if self.name else ""
        print(name + ", ".join(words + [note] * bool(note)), file=sys.stderr, flush=True)
