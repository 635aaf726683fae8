"""Proofs pass what is zero, and nothing else."""

import pytest
import sympy as sp

from ptft.companion.symbolic import assert_zero

x, y = sp.symbols("x y", real=True)


def test_zero():
    sum_rule = sp.cosh(x + y) - sp.cosh(x) * sp.cosh(y) - sp.sinh(x) * sp.sinh(y)
    assert_zero(0, sum_rule, sp.Matrix([[sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, 0]]))


@pytest.mark.parametrize("wrong", [1, sp.Matrix([[0, x]]), sp.cosh(x) - 1, sp.Float(1e-300)])
def test_not_zero(wrong):
    with pytest.raises(AssertionError, match="not zero"):
        assert_zero(0, wrong)
