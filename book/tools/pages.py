"""Check a built book: every page of the table of contents is there, complete and readable.

python book/tools/pages.py _build/html

A build that quietly lost its pages would otherwise pass, as would one without some of its figures,
with pictures that a screen reader cannot describe or with scripts that need a network.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = (".html", ".ipynb", ".zip")  # what a page may offer


class Page(HTMLParser):
    """What one page holds, as far as the checks need it."""

    def __init__(self, path: Path) -> None:
        """Read the page at `path`."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.lost = 0  # figures of which a page has the name alone
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Count what a notebook says of a figure that it cannot draw."""
        self.lost += data.count("<Figure size")

    def all(self, *names: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element with one of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]


def expected_pages(toc: Path) -> set[str]:
    """Return the pages that the table of contents promises."""
    return {f"{name}.html" for name in parse_toc_yaml(toc)}


def built_pages(html: Path) -> set[str]:
    """Return the book's own pages: those in the folder that its sources are in."""
    return {path.relative_to(html).as_posix() for path in html.glob("book/*.html")}


def problems(path: Path) -> Iterator[str]:
    """Say what is wrong with one page."""
    page, folder = Page(path), path.parent
    if not page.all("h1"):
        yield "has no title"
    if page.lost:
        yield f"lacks {page.lost} figures, which could not be drawn"
    for image in page.all("img"):
        if not image.get("alt"):
            yield f"has an image without alt text: {image.get('src')}"
    for element in page.all("script", "link"):
        source = element.get("src") or element.get("href") or ""
        if source.startswith(("http:", "https:", "//")) and element.get("rel") != "canonical":
            yield f"needs a network for {source}"
    for link in page.all("a"):
        target = (link.get("href") or "").partition("#")[0]
        if target.endswith(FILES) and "//" not in target and not (folder / target).is_file():
            yield f"links to {target}, which is not there"


def check(html: Path, toc: Path) -> list[str]:
    """Return every complaint about the book built in `html`."""
    expected, built = expected_pages(toc), built_pages(html)
    complaints = [f"{name} was not built" for name in sorted(expected - built)]
    complaints += [f"{name} is not in the table of contents" for name in sorted(built - expected)]
    for name in sorted(built & expected):
        complaints += [f"{name} {problem}" for problem in problems(html / name)]
    return complaints


def main(html: Path) -> int:
    """Print the complaints, or the number of pages; the exit status says which."""
    complaints = check(html, ROOT / "_toc.yml")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if not complaints:
        print(f"{len(built_pages(html))} pages, as in the table of contents")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
