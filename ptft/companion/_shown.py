"""Tables for notebooks: HTML for pages, and a list for what has no HTML, such as a PDF."""

from ..errors import needs


def table_class():
    """Return the class of tables; without IPython, say what to install.

    Returns
    -------
    subclass of IPython.display.HTML
        Made from the table's HTML and, as Markdown, the same as items of a list.
    """
    with needs("chapters"):
        from IPython.display import HTML

    class Table(HTML):
        def __init__(self, html, items):
            super().__init__(html)
            self.items = list(items)

        def _repr_markdown_(self):
            return "\n".join(f"- {item}" for item in self.items)

    return Table
