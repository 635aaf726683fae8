"""Proofs in sympy that fail where the algebra is wrong."""

from ..errors import needs

with needs("chapters"):
    import sympy as sp

__all__ = ["assert_zero"]


def assert_zero(*expressions):
    """Fail unless all expressions, or all entries of matrices, simplify to exactly zero.

    Parameters
    ----------
    *expressions : sympy.Expr, sympy.Matrix or number

    Raises
    ------
    AssertionError
        With what is left of the first that does not.
    """
    for expression in expressions:
        for entry in sp.Matrix([expression]):
            left = sp.simplify(entry)
            # Hyperbolic functions of sums may cancel only as exponentials.
            left = left if left == 0 else sp.simplify(left.rewrite(sp.exp))
            if left != 0:
                raise AssertionError(f"not zero: {left}")
