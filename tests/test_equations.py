"""The index of equations finds what docstrings name, and covers what the package computes."""

import pkgutil

import pytest

from ptft.companion import equations

NOT_COMPUTED = {
    26: "a name for the function that (22) defines",
    30: "notation of the replica proof",
    31: "notation of the replica proof",
    32: "a step of the replica proof, in chapter 6",
    33: "a step of the replica proof, in chapter 6",
    34: "a step of the replica proof, in chapter 6",
    36: "a name in the proof of (38)",
    37: "a step of the proof of (38)",
    41: "an approximation for Figure 2, not recovered",
    42: "an approximation for Figure 2, not recovered",
    44: "an approximation for Figure 2, not recovered",
    45: "an approximation for Figure 2, not recovered",
    46: "an approximation for Figure 2, not recovered",
}
NUMBERED = set(range(1, 47)) - {43}  # the paper has no equation (43)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("equation (13)", {13}),
        ("Equations (17), (18), (38)-(40) hold", {17, 18, 38, 39, 40}),
        ("equations (8) to (10)", {8, 9, 10}),
        ("inequalities (27)\nand (28)", {27, 28}),
        ("two (2) sides of (3), f(4)", set()),
    ],
)
def test_cited(text, numbers):
    assert equations.cited(text) == numbers


def test_every_numbered_equation_is_in_the_code_or_said_not_to_be():
    assert set(equations.index()) | set(NOT_COMPUTED) == NUMBERED
    assert not set(equations.index()) & set(NOT_COMPUTED)


def test_places_exist_and_their_docstrings_name_the_equation():
    for number, places in equations.index().items():
        for name, summary in places.items():
            documented = pkgutil.resolve_name(f"ptft.{name}") if "." in name else None
            text = documented.__doc__ or ""
            assert number in equations.cited(text), name
            assert summary.split()[0] in text


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (11, "training.implicit_bias.implicit_bias"),
        (13, "model.penalty.penalty"),
        (14, "model.penalty.sqrt_k"),
        (20, "theory.replica.fixed_point"),
        (24, "model.regimes.l_order"),
    ],
)
def test_the_code_of_an_equation(number, name):
    assert name in equations.index()[number]


def test_table_links_to_the_documentation():
    shown = equations.table().data
    assert '<a href="package.html#ptft.model.penalty.penalty">' in shown
    assert shown.count("<tr>") == 1 + sum(map(len, equations.index().values()))
