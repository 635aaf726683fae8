"""A page of the book in plain Markdown, for notebooks that are read outside of the book.

Sphinx has parsed the page and resolved it: each reference has become a link with its number, each
directive a node. What is left is to write these nodes in the Markdown that JupyterLab, Colab and
VS Code share: mathematics between dollars without macros, tables with bars, boxes as quotations.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from docutils import nodes
from sphinx.util import logging

__all__ = ["Code", "Prose", "Writer"]

LOGGER = logging.getLogger(__name__)
# At the start of a paragraph these would begin a heading, a list or a quotation.
OPENING = re.compile(r"\A(\d*)(?=[-+>.)] |#{1,6} )")
# Nodes that leave nothing to read: their anchors are the book's.
SILENT = (
    nodes.target,
    nodes.comment,
    nodes.system_message,
    nodes.colspec,
    nodes.substitution_definition,
)

# Boxes on the page that are none here: a heading, or a fold, sets them off.
OPEN = {"exercise_node", "exercise_enumerable_node", "solution_node"}


class Prose(NamedTuple):
    """A stretch of Markdown, and whether it is part of a solution."""

    text: str
    folded: bool = False


class Code(NamedTuple):
    """A code cell, by its place in the notebook, and whether it is part of a solution."""

    index: int
    folded: bool = False


class Writer:
    """Write one resolved page.

    Parameters
    ----------
    numbers : mapping of str to mapping of str to str
        For each kind of thing ("section", "figure", "displaymath", "theorem" ...) the number of
        each identifier on this page.
    link : callable
        Takes a reference's address and text, and returns Markdown.
    macros : mapping of str to str
        What the book's own TeX macros stand for; none of them may have arguments.
    """

    def __init__(
        self,
        numbers: Mapping[str, Mapping[str, str]],
        link: Callable[[str, str], str],
        macros: Mapping[str, str],
    ) -> None:
        self.numbers, self.link, self.macros = numbers, link, macros

    def pieces(self, node: nodes.Element, folded: bool = False) -> Iterator[Prose | Code]:
        """Return a node's content in reading order: prose, cut where the code cells stand."""
        for child in node.children:
            match child.tagname:
                case "container" if child.get("nb_element") == "cell_code":
                    yield Code(child["cell_index"], folded)
                    yield from (Prose(self.caption(f), folded) for f in child.findall(nodes.figure))
                case "section" | "compound":
                    yield from self.pieces(child, folded)
                case "exercise_node" | "exercise_enumerable_node":
                    yield Prose(self.exercise(child), folded)
                    yield from self.pieces(_without_title(child), folded)
                case "solution_node":
                    yield from self.pieces(_without_title(child), True)
                case _:
                    yield Prose(self.block(child), folded)

    # --- blocks: each returns lines without a blank one at either end ---

    def blocks(self, node: nodes.Element) -> str:
        """Return all blocks of a node, one below the other."""
        return "\n\n".join(filter(None, map(self.block, node.children)))

    def block(self, node: nodes.Element) -> str:
        """Return one block."""
        if isinstance(node, SILENT):
            return ""
        write = getattr(self, f"block_{node.tagname}", None)
        if write is not None:
            return write(node)
        if isinstance(node, nodes.Admonition):
            return self.box(node)
        LOGGER.warning("no plain Markdown for <%s>", node.tagname, location=node)
        return self.blocks(node)

    def block_title(self, node: nodes.title) -> str:
        """Return a section's heading, with its number."""
        section = node.parent
        number = self._number("section", section)
        depth = sum(isinstance(parent, nodes.section) for parent in _ancestors(node))
        return f"{'#' * depth} {f'{number} ' if number else ''}{self.inline(node)}"

    def block_paragraph(self, node: nodes.paragraph) -> str:
        """Return a paragraph as one line, so that no break in it can begin a list."""
        return OPENING.sub(r"\1\\", self.inline(node).strip())

    def block_math_block(self, node: nodes.math_block) -> str:
        """Return displayed mathematics, with its number as a tag."""
        text = "\n".join(line for line in self._tex(node).splitlines() if line.strip())
        if r"\\" in text and not text.startswith(r"\begin{"):
            text = f"\\begin{{split}}\n{text}\n\\end{{split}}"
        number = self._number("displaymath", node)
        lines = ["$$", text, *([rf"\tag{{{number}}}"] if number else []), "$$"]
        # In a quotation each line begins with a mark, which notebooks take for mathematics.
        return " ".join("\n".join(lines).split("\n")) if _quoted(node) else "\n".join(lines)

    def block_literal_block(self, node: nodes.literal_block) -> str:
        """Return a listing."""
        text = node.astext().strip("\n")
        language = node.get("language", "")
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 0)
        return f"{fence}{'' if language in ('none', 'default') else language}\n{text}\n{fence}"

    def block_bullet_list(self, node: nodes.bullet_list) -> str:
        """Return a list."""
        return self._items(node, ["- "] * len(node.children))

    def block_enumerated_list(self, node: nodes.enumerated_list) -> str:
        """Return a numbered list."""
        start = node.get("start", 1)
        return self._items(node, [f"{start + i}. " for i in range(len(node.children))])

    def block_definition_list(self, node: nodes.definition_list) -> str:
        """Return a list of terms: Markdown has none, so the term opens each item in bold."""
        return "\n".join(
            "- "
            + _indent(f"**{self.inline(item.children[0])}:** {self.blocks(item.children[-1])}", 2)
            for item in node.children
        )

    def _items(self, node: nodes.Element, marks: list[str]) -> str:
        items = [
            mark + _indent(self.blocks(item), len(mark))
            for mark, item in zip(marks, node.children, strict=True)
        ]
        loose = any("\n\n" in item for item in items)
        return ("\n\n" if loose else "\n").join(items)

    def block_block_quote(self, node: nodes.block_quote) -> str:
        """Return a quotation."""
        return _quote(self.blocks(node))

    def block_transition(self, node: nodes.transition) -> str:
        """Return a rule."""
        return "---"

    def block_raw(self, node: nodes.raw) -> str:
        """Return HTML as it is, but for scripts: notebooks do not run them."""
        text = node.astext().strip()
        html = "html" in node.get("format", "").split()
        return text if html and not text.startswith("<script") else ""

    def block_Explorer(self, node: nodes.Element) -> str:
        """Say where the figure is that readers can move."""
        return f"*{self.link('explorer.html', 'The book has a figure here that can be moved.')}*"

    def block_table(self, node: nodes.table) -> str:
        """Return a table; its first row is the head, an empty one if it has none."""
        title = [f"*{self.inline(child)}*" for child in node.findall(nodes.title)]
        head = [self._cells(row) for part in node.findall(nodes.thead) for row in part]
        rows = [self._cells(row) for part in node.findall(nodes.tbody) for row in part]
        head = head or [[""] * len(rows[0])]
        lines = [*head, ["---"] * len(head[0]), *rows]
        return "\n\n".join([*title, "\n".join(f"| {' | '.join(line)} |" for line in lines)])

    def _cells(self, row: nodes.row) -> list[str]:
        return [self.blocks(entry).replace("\n", " ") for entry in row]

    def block_proof_node(self, node: nodes.Element) -> str:
        """Return a proof. Its box has no title of its own; the text begins with the word."""
        text = self.blocks(node.children[0])
        return _quote(re.sub(r"\AProof\.", "*Proof.*", text))

    def box(self, node: nodes.Element) -> str:
        """Return an admonition, a theorem or the like: its title in bold, and all of it quoted."""
        title, content = "", node
        if node.children and isinstance(node.children[0], nodes.title):
            title, content = self.inline(node.children[0]).strip(), _without_title(node)
        if "realtype" in node:  # a theorem: its title is a remark behind kind and number
            name = f"{node['realtype'].title()} {self._number(node['countertype'], node)}".strip()
            title = f"**{name}** {title}".strip()
        else:
            title = f"**{title or node.tagname.title()}**"
        if "dropdown" in node.get("classes", ()):  # a hint
            name = title.strip("*")
            folded = f"<summary><b>{name}</b></summary>\n\n{self._unwrapped(content)}"
            return f"<details>\n{folded}\n\n</details>"
        return _quote(f"{title}\n\n{self._unwrapped(content)}")

    def _unwrapped(self, node: nodes.Element) -> str:
        parts = [self.blocks(c) if isinstance(c, nodes.section) else self.block(c) for c in node]
        return "\n\n".join(filter(None, parts))

    def exercise(self, node: nodes.Element) -> str:
        """Return an exercise's heading."""
        depth = sum(isinstance(parent, nodes.section) for parent in _ancestors(node))
        number = self._number("exercise", node)
        title = self.inline(node.children[0]).strip()
        return f"{'#' * (depth + 1)} " + " ".join(filter(None, ["Exercise", number, title]))

    def caption(self, figure: nodes.figure) -> str:
        """Return what stands below a figure; the picture is its cell's output."""
        number = self._number("figure", figure)
        captions = [self.inline(child) for child in figure.findall(nodes.caption)]
        return " ".join([f"**Fig. {number}.**", *captions])

    # --- within a line ---

    def inline(self, node: nodes.Element) -> str:
        """Return a node's children as one line of Markdown."""
        return "".join(map(self._inline, node.children))

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            text = _escape(re.sub(r"\s+", " ", node.astext()))
            return text.replace("|", r"\|") if _in_table(node) else text
        if isinstance(node, SILENT):
            return ""
        write = getattr(self, f"inline_{node.tagname}", None)
        if write is not None:
            return write(node)
        LOGGER.warning("no plain Markdown for <%s>", node.tagname, location=node)
        return self.inline(node)

    def inline_inline(self, node: nodes.inline) -> str:
        """Return the content of a span."""
        return self.inline(node)

    def inline_emphasis(self, node: nodes.emphasis) -> str:
        """Return emphasised text."""
        return f"*{self.inline(node)}*"

    def inline_strong(self, node: nodes.strong) -> str:
        """Return strong text."""
        return f"**{self.inline(node)}**"

    def inline_literal(self, node: nodes.literal) -> str:
        """Return code, fenced by more backticks than it holds."""
        text = re.sub(r"\s+", " ", node.astext())
        if "eq" in node.get("classes", ()):  # Sphinx writes an equation's number as code
            return _escape(text)
        text = text.replace("|", r"\|") if _in_table(node) else text
        fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
        padding = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{fence}{padding}{text}{padding}{fence}"

    def inline_math(self, node: nodes.math) -> str:
        """Return mathematics in a line."""
        text = re.sub(r"\s+", " ", self._tex(node)).strip()
        if _in_table(node):  # a bar would end the cell
            text = re.sub(r"\\?\|", lambda bar: r"\Vert " if bar[0][0] == "\\" else r"\vert ", text)
        return f"${text.strip()}$"

    def inline_reference(self, node: nodes.reference) -> str:
        """Return a link, or its text where the target is of no use outside of the book."""
        text = self.inline(node)
        address = node.get("refuri") or f"#{node.get('refid', '')}"
        return self.link(address, text)

    def inline_number_reference(self, node: nodes.reference) -> str:
        """Return a reference to a numbered thing."""
        return self.inline_reference(node)

    def inline_raw(self, node: nodes.raw) -> str:
        """Return HTML as it is."""
        return self.block_raw(node)

    def _tex(self, node: nodes.Element) -> str:
        if not self.macros:
            return node.astext().strip()
        names = "|".join(map(re.escape, self.macros))
        pattern = rf"\\({names})(?![A-Za-z])"
        return re.sub(pattern, lambda use: self.macros[use[1]], node.astext()).strip()

    def _number(self, kind: str, node: nodes.Element) -> str:
        known = self.numbers.get(kind, {})
        return next((known[name] for name in node.get("ids", ()) if name in known), "")


def _ancestors(node: nodes.Node) -> Iterator[nodes.Element]:
    while (node := node.parent) is not None:
        yield node


def _quoted(node: nodes.Node) -> bool:
    return any(
        isinstance(parent, nodes.Admonition | nodes.block_quote) and parent.tagname not in OPEN
        for parent in _ancestors(node)
    )


def _in_table(node: nodes.Node) -> bool:
    return any(isinstance(parent, nodes.entry) for parent in _ancestors(node))


def _without_title(node: nodes.Element) -> nodes.Element:
    # A new parent for the walk alone: the children still know where they stand.
    rest = nodes.container()
    rest.children = node.children[1:]
    return rest


def _escape(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_$~])", r"\\\1", text).replace("](", "]&#40;")


def _indent(text: str, width: int) -> str:
    return text.replace("\n", "\n" + " " * width).replace(f"\n{' ' * width}\n", "\n\n")


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
