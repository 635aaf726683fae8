"""The reproduction ledger: what the chapters measured, beside what the papers claim.

A chapter calls `record` where it checks a claim; the measurement lands in the cell's output and so
in the chapter's reference notebook. `records` reads it back from there, `claims` reads the list of
claims, and `table` joins the two for the page. Nothing on that page is typed in by hand.
"""

import html
import json
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from ._shown import table_class

__all__ = [
    "STATUSES",
    "Claim",
    "Record",
    "claims",
    "problems",
    "record",
    "records",
    "table",
    "totals",
]

KEY = "ptft-ledger"  # under which an output's metadata holds its record
STATUSES = {
    "reproduced": "checked in a chapter, and it holds",
    "partly": "checked in a chapter, up to what the note says",
    "planned": "not checked yet",
    "out of reach": "cannot be checked here, for the reason in the note",
}
ROUNDING = Decimal("1e-6")  # an error below this is given as a power of ten: its digits are noise
SMALLEST = 1e-16


@dataclass(frozen=True)
class Record:
    """One measurement of one claim, as it stands in a chapter's output.

    Attributes
    ----------
    claim : str
        The claim's identifier in the list of claims.
    what : str
        What was measured, in words.
    result : str
        The outcome: a bound that was met, a value beside the paper's, or a proof.
    chapter : str
        Name of the chapter that recorded it; empty until it is read back.
    """

    claim: str
    what: str
    result: str
    chapter: str = ""

    def __str__(self):
        return f"{self.claim} · {self.what}: {self.result}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        fields = {"claim": self.claim, "what": self.what, "result": self.result}
        return {"text/plain": str(self)}, {KEY: fields}


@dataclass(frozen=True)
class Claim:
    """One statement, figure or experiment of a paper.

    Attributes
    ----------
    part : str
        Which table of the ledger it belongs to.
    title : str
        Its name in the paper and what it says.
    status : str
        One of `STATUSES`.
    note : str
        What is missing and why; required unless the status is "reproduced".
    """

    part: str
    title: str
    status: str
    note: str = ""


def record(claim, what, *, measured=None, bound=0.0, value=None, paper=None):
    """Check a claim's measured error, and put the measurement into the cell's output.

    Parameters
    ----------
    claim : str
        The claim's identifier in `book/claims.toml`.
    what : str
        What was measured, in words.
    measured : float, optional
        A deviation >= 0. Shown rounded up, so that the last digits of a rounding error do not
        distinguish one machine from another.
    bound : float
        What `measured` must not exceed. 0, the default, means an identity proved symbolically.
    value, paper : float or str, optional
        Instead of `measured`: a number found here and the one that the paper gives, if it does.

    Raises
    ------
    AssertionError
        If `measured` exceeds `bound` or is not a number.
    """
    if (measured is None) == (value is None):
        raise ValueError(f"{claim}: give either measured or value")
    result = _against_paper(value, paper) if measured is None else _within(measured, bound, claim)
    _show(Record(claim, what, result))


def _within(measured, bound, claim):
    measured, bound = float(measured), float(bound)
    if not 0.0 <= measured <= bound:  # so written, NaN fails
        raise AssertionError(f"{claim}: measured {measured:.3g}, must be in [0, {bound:g}]")
    if bound == 0.0:
        return "proved symbolically"
    return f"{min(_round_up(measured), bound):g} ≤ {bound:g}"


def _round_up(number):
    """Round up to one significant digit, or to a power of ten if it is a rounding error."""
    exact = Decimal(repr(max(number, SMALLEST)))
    leading = Decimal(1).scaleb(exact.adjusted())
    if exact >= ROUNDING:
        return float(exact.quantize(leading, rounding=ROUND_UP))
    return float(leading if exact == leading else leading * 10)


def _against_paper(value, paper):
    here = value if isinstance(value, str) else f"{value:.2g}"
    return here if paper is None else f"{here} (paper: {paper})"


def _show(entry):
    # In a kernel IPython is there already; elsewhere it need not be installed.
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(entry)
    else:
        print(entry)


def claims(path):
    """Read the list of claims.

    Parameters
    ----------
    path : str or Path
        A TOML file with one table a claim, headed by its identifier.

    Returns
    -------
    dict of str to Claim
        In the order of the file.
    """
    return {name: Claim(**fields) for name, fields in tomllib.loads(_read(path)).items()}


def records(folder):
    """Read the measurements back from the chapters' reference notebooks; nothing is executed.

    Parameters
    ----------
    folder : str or Path
        Where the `.ipynb` files are.

    Returns
    -------
    list of Record
        In the order of the file names, and of the cells in each.
    """
    return [
        Record(**output["metadata"][KEY], chapter=path.stem)
        for path in sorted(Path(folder).glob("*.ipynb"))
        for cell in json.loads(_read(path))["cells"]
        for output in cell.get("outputs", ())
        if KEY in output.get("metadata", ())
    ]


def _read(path):
    return Path(path).read_text(encoding="utf-8")


def problems(claims, records):
    """Say where the list of claims and the measurements disagree.

    Parameters
    ----------
    claims : dict of str to Claim
    records : list of Record

    Returns
    -------
    list of str
        Empty if each record has its claim, and each claim a status that its records bear out.
    """
    measured = {entry.claim for entry in records}
    found = [f"{name} is recorded but not in the list" for name in sorted(measured - set(claims))]
    for name, claim in claims.items():
        checked = claim.status in ("reproduced", "partly")
        if claim.status not in STATUSES:
            found.append(f"{name} has the status {claim.status!r}, not one of {list(STATUSES)}")
        elif checked != (name in measured):
            found.append(f"{name} is {claim.status} but has {'no' if checked else 'a'} record")
        if claim.status != "reproduced" and not claim.note:
            found.append(f"{name} is {claim.status} and no note says why")
    return found


def table(part, folder="."):
    """Return one of the ledger's tables, to be shown in a notebook.

    Parameters
    ----------
    part : str
        Which claims: those with this `Claim.part`.
    folder : str or Path
        Where `claims.toml` and the reference notebooks are.

    Returns
    -------
    IPython.display.HTML
    """
    shown = table_class()
    measured = records(folder)
    found = {
        name: (claim, [entry for entry in measured if entry.claim == name])
        for name, claim in claims(Path(folder, "claims.toml")).items()
        if claim.part == part
    }
    rows = [_row(name, one, _evidence(all_, folder)) for name, (one, all_) in found.items()]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Claim", "Status", "Measured"))
    body = "\n".join(rows)
    table = f'<table class="ledger">\n<thead><tr>{heads}</tr></thead>\n{body}\n</table>'
    return shown(table, [_item(*one) for one in found.values()])


def _item(claim, entries):
    measured = [f"{entry.what}: {entry.result}" for entry in entries]
    text = "; ".join([*measured, *([claim.note] if claim.note else [])])
    escaped = re.sub(r"([\\`*_<>\[\]])", r"\\\1", f"{claim.status}. {text}")
    return f"**{claim.title}**: {escaped}"


def totals(folder="."):
    """Return how many claims of each part have which status, to be shown in a notebook.

    Parameters
    ----------
    folder : str or Path
        Where `claims.toml` is.

    Returns
    -------
    IPython.display.HTML
    """
    shown = table_class()
    counts = Counter((claim.part, claim.status) for claim in _listed(folder))
    parts = list(dict.fromkeys(part for part, _ in counts))
    found = [status for status in STATUSES if any(counts[part, status] for part in parts)]
    rows = [_numbers(part, [counts[part, status] for status in found]) for part in parts]
    sums = [sum(counts[part, status] for part in parts) for status in found]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("part", *found, "all"))
    body = "\n".join([*rows, _numbers("all", sums)])
    table = f'<table class="ledger-totals">\n<thead><tr>{heads}</tr></thead>\n{body}\n</table>'
    words = ", ".join(f"{count} {status}" for status, count in zip(found, sums, strict=True))
    return shown(table, [f"all {sum(sums)} claims: {words}"])


def _listed(folder):
    return claims(Path(folder, "claims.toml")).values()


def _numbers(part, counts):
    cells = "".join(f"<td>{count or ''}</td>" for count in (*counts, sum(counts)))
    return f'<tr><th scope="row">{html.escape(part)}</th>{cells}</tr>'


def _evidence(entries, folder):
    """Return lines of HTML: each chapter's title once, with what it measured."""
    lines = []
    for chapter, group in groupby(entries, key=attrgetter("chapter")):
        lines.append(f'<a href="{chapter}.html">{_title(Path(folder, f"{chapter}.md"))}</a>')
        lines += [
            f"{html.escape(entry.what)}: <strong>{html.escape(entry.result)}</strong>"
            for entry in group
        ]
    return lines


def _title(chapter):
    lines = _read(chapter).splitlines()
    return html.escape(next(line[2:] for line in lines if line.startswith("# ")))


def _row(name, claim, lines):
    lines = [*lines, html.escape(claim.note)] if claim.note else lines
    paragraphs = "".join(f"<p>{line}</p>" for line in lines)
    cells = (html.escape(claim.title), html.escape(claim.status), paragraphs)
    return (
        f'<tr id="{name}" data-status="{claim.status}">'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )
