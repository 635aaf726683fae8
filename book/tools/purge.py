"""Drop the rules of a style sheet that no page has use for.

A rule stays if one of its selectors does, and a selector does unless it names a class or an
identifier that is in no page and in no script. What stands in `:not(...)` and its like is not
asked.
"""

import re

STRING = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
PART = re.compile(
    rf"/\*.*?\*/|{STRING}|url\(\s*(?:{STRING}|[^)\"']*)\s*\)|[{{}};]|[^{{}};\"'/u]+|.", re.S
)
NAME = re.compile(r"[.#]((?:\\.|[\w-])+)")
MADE = ("bs-",)  # how names begin that scripts put together
NESTED = ("@media", "@supports", "@layer", "@container")


def purge(sheet, words):
    """Return a style sheet without rules for what is not there.

    Parameters
    ----------
    sheet : str
    words : set of str
        Every class and identifier that there is, or may be.
    """
    return "".join(_kept(prelude, body, words) for prelude, body in blocks(sheet))


def blocks(sheet):
    """Return a sheet's statements: what stands before the braces, and in them, or None."""
    found, depth, before, inside = [], 0, "", ""
    for part in PART.findall(sheet):
        if part.startswith("/*"):
            continue
        if part == "}":
            depth -= 1
            if depth == 0:
                found.append((before.strip(), inside))
                before, inside = "", ""
                continue
        if depth:
            inside += part
        elif part == ";":
            found.append((before.strip(), None))
            before = ""
        elif part != "{":
            before += part
        depth += part == "{"
    return found


def _kept(prelude, body, words):
    if body is None:
        return f"{prelude};"
    if prelude.startswith(NESTED):
        inner = purge(body, words)
        return f"{prelude}{{{inner}}}" if inner else ""
    if not prelude.startswith("@"):
        prelude = ",".join(s for s in selectors(prelude) if needed(s, words))
    return f"{prelude}{{{body}}}" if prelude else ""


def selectors(prelude):
    """Return the selectors of a rule."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", prelude)]


def needed(selector, words):
    """Return whether something may be selected."""
    bare = re.sub(r"\[[^]]*\]", "", selector)
    while bare != (bare := re.sub(r"\([^()]*\)", "", bare)):
        pass
    names = (name.replace("\\", "") for name in NAME.findall(bare))
    return all(name in words or name.startswith(MADE) for name in names)


def words(pages, scripts):
    """Return the classes and identifiers of pages, and every word of scripts."""
    found = set()
    for page in pages:
        for quoted, bare in re.findall(r'\b(?:class|id)=(?:"([^"]*)"|([^\s">]+))', page):
            found.update(quoted.split() or [bare])
    for script in scripts:
        found.update(re.findall(r"[\w-]+", script))
    return found
