"""Tables of results that take too long to compute in a chapter; they travel with the package.

Each table's first lines name what made it: command, commit, versions, hardware, time.
`ptft.sweeps.provenance.read_table` reads it with them.
"""

from pathlib import Path

from ...errors import choice

__all__ = ["path", "paths"]

_FOLDER = Path(__file__).parent


def path(name):
    """Return where a table is.

    Parameters
    ----------
    name : str
        For example "simulations_d5000.csv".

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is no such table.
    """
    return _FOLDER / choice("name", name, [table.name for table in paths("*.csv")])


def paths(pattern):
    """Return where all tables are whose name matches a pattern.

    Parameters
    ----------
    pattern : str
        For example "simulations_d*.csv".

    Returns
    -------
    list of Path
        In the order of their names.
    """
    return sorted(_FOLDER.glob(pattern))
