"""Values that hold arrays: frozen to the last entry, and equal when all of their fields are."""

from dataclasses import fields

import numpy as np

__all__ = ["Value", "frozen"]


def frozen(array):
    """Return a copy of an array that cannot be written to; a number as it is."""
    if np.ndim(array) == 0:
        return array
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


class Value:
    """Base of dataclasses (with `frozen=True, eq=False`) whose fields may be arrays.

    Two are equal if they are of one class and each field has the same shape and entries.
    """

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def __hash__(self):
        return hash(tuple(_hashable(getattr(self, f.name)) for f in fields(self)))


def _hashable(field):
    if isinstance(field, np.ndarray):
        return field.shape, (field + 0).tobytes()  # -0.0 equals 0.0, so they must share a hash
    return field
