"""The ledger refuses what it cannot bear out."""

import math

import nbformat
import notebooks
import pytest

from ptft.companion import ledger

CLAIM = ledger.Claim(part="theory", title="A theorem", status="reproduced")


def printed(capsys, *args, **kwargs):
    ledger.record("theorem-4.1", "deviation", *args, **kwargs)
    return capsys.readouterr().out.strip()


def test_the_list_of_claims_agrees_with_the_chapters(repository):
    book = repository / "book"
    assert ledger.problems(ledger.claims(book / "claims.toml"), ledger.records(book)) == []


def test_every_part_is_on_the_page(repository):
    page = (repository / "book" / "ledger.md").read_text(encoding="utf-8")
    for claim in ledger.claims(repository / "book" / "claims.toml").values():
        assert f'ledger.table("{claim.part}")' in page


@pytest.mark.parametrize("measured", [1.1e-11, math.inf, math.nan, -1e-15])
def test_a_deviation_beyond_its_bound_fails(measured):
    with pytest.raises(AssertionError, match=r"theorem-4\.1: measured"):
        ledger.record("theorem-4.1", "deviation", measured=measured, bound=1e-11)


@pytest.mark.parametrize("numbers", [{}, {"measured": 0.0, "value": 1.0}])
def test_one_number_is_needed(numbers):
    with pytest.raises(ValueError, match="either measured or value"):
        ledger.record("theorem-4.1", "deviation", **numbers)


@pytest.mark.parametrize(
    ("measured", "bound", "result"),
    [
        (3e-13, 1e-11, "1e-12 ≤ 1e-11"),
        (1e-12, 1e-11, "1e-12 ≤ 1e-11"),
        (0.0, 1e-11, "1e-16 ≤ 1e-11"),
        (0.0123, 0.1, "0.02 ≤ 0.1"),
        (0.3, 0.5, "0.3 ≤ 0.5"),
        (0.0123, 0.015, "0.015 ≤ 0.015"),
        (0, 0, "proved symbolically"),
    ],
)
def test_deviations_are_rounded_up(capsys, measured, bound, result):
    line = printed(capsys, measured=measured, bound=bound)
    assert line == f"theorem-4.1 · deviation: {result}"


def test_a_value_beside_the_papers(capsys):
    assert printed(capsys, value=0.1234, paper="0.12").endswith("0.12 (paper: 0.12)")
    assert printed(capsys, value="none found").endswith(": none found")


def test_records_survive_a_notebook(tmp_path):
    code = (
        "from ptft.companion import ledger\nledger.record('a', 'x < y', measured=1e-9, bound=1e-8)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebooks.execute(notebook, tmp_path), tmp_path / "chapter.ipynb")
    assert ledger.records(tmp_path) == [ledger.Record("a", "x < y", "1e-09 ≤ 1e-08", "chapter")]


@pytest.mark.parametrize(
    ("claims", "records", "problem"),
    [
        ({}, ["a"], "a is recorded but not in the list"),
        ({"a": "reproduced"}, [], "a is reproduced but has no record"),
        ({"a": "planned"}, ["a"], "a is planned but has a record"),
        ({"a": "partly"}, ["a"], "a is partly and no note says why"),
        ({"a": "perhaps"}, ["a"], "a has the status 'perhaps'"),
    ],
)
def test_disagreements(claims, records, problem):
    listed = {name: ledger.Claim("theory", "A theorem", status) for name, status in claims.items()}
    found = ledger.problems(listed, [ledger.Record(name, "x", "0") for name in records])
    assert any(message.startswith(problem) for message in found)


def test_agreement():
    assert ledger.problems({"a": CLAIM}, [ledger.Record("a", "x", "1e-9 ≤ 1e-8")]) == []


def test_table(tmp_path):
    entry = {"claim": "a", "what": "x < y", "result": "1e-09 ≤ 1e-08"}
    output = nbformat.v4.new_output("display_data", metadata={ledger.KEY: entry})
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "chapter.ipynb")
    (tmp_path / "chapter.md").write_text("# A & B\n")
    (tmp_path / "claims.toml").write_text(
        '[a]\npart = "theory"\ntitle = "T < U"\nstatus = "reproduced"\n'
        '[b]\npart = "figures"\ntitle = "Figure"\nstatus = "planned"\nnote = "Later."\n'
    )
    table = ledger.table("theory", tmp_path).data
    assert '<tr id="a" data-status="reproduced"><td>T &lt; U</td><td>reproduced</td>' in table
    assert '<p><a href="chapter.html">A &amp; B</a></p><p>x &lt; y: <strong>1e-09' in table
    assert "Figure" not in table


def test_totals_count_every_claim(repository):
    book = repository / "book"
    shown = ledger.totals(book).data
    claims = ledger.claims(book / "claims.toml").values()
    reproduced = sum(claim.status == "reproduced" for claim in claims)
    assert f"<td>{reproduced}</td>" in shown.splitlines()[-2]
    assert f"<td>{len(claims)}</td></tr>" in shown.splitlines()[-2]
    assert shown.count("<tr>") == 2 + len({claim.part for claim in claims})


def test_rows_carry_their_status(repository):
    shown = ledger.table("theory", repository / "book").data
    assert 'id="eq-13" data-status="reproduced"' in shown
