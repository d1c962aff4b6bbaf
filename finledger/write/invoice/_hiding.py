"""What a page holds but does not show: elements that an attribute or a style hides (rule Q4: nothing is shown by hiding it).

This is no browser: it knows the plain ways to hide. Where it errs it takes a part for hidden, and the template is refused
with what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HIDES = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size|max-height|height)\s*:\s*0(?![\d.]*[1-9])",
    re.IGNORECASE,
)
_SHEET = re.compile(r"<style[^>]*>(.*?)</style", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLE_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_PART = re.compile(r"([.#]?)([\w*-]+)")
_CONDITION = re.compile(r"\[[^\]]*\]|:(?!:)[\w-]+(?:\([^)]*\))?")
_SIBLING = re.compile(r"[^\s>+~]+\s*[+~]\s*")
_SILENT = frozenset({"script", "style", "template"})
_MARKDOWN = re.compile(
    r"<!--.*?-->|^(```|~~~).*?^\1|<(\w+)\s[^>]*(?:hidden|display\s*:\s*none)[^>]*>.*?</\2>", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Element:
    """An element that is open: its tag and attributes, and whether it or one around it is hidden."""

    tag: str
    attributes: Mapping[str, str]
    hidden: bool = False


Compound = tuple[tuple[str, str], ...]


class Hiding:
    """The rules of a page's style sheets that hide."""

    def __init__(self, page: str) -> None:
        sheets = _COMMENT.sub("", "\n".join(_SHEET.findall(page)))
        selectors = (
            selector
            for names, declarations in _STYLE_RULE.findall(sheets)
            if _HIDES.search(declarations)
            for selector in names.rpartition(";")[2].split(",")
        )
        self._selectors = [_compounds(selector) for selector in selectors if "::" not in selector]

    def opened(self, tag: str, attributes: Mapping[str, str], around: Sequence[Element]) -> Element:
        element = Element(tag, attributes)
        own = tag in _SILENT or "hidden" in attributes or bool(_HIDES.search(attributes.get("style", "")))
        styled = any(_selects(selector, element, around) for selector in self._selectors)
        return Element(tag, attributes, own or styled or (bool(around) and around[-1].hidden))


def shown_markdown(page: str) -> str:
    """The page without comments, blocks of code, and HTML that hides itself."""
    return _MARKDOWN.sub("", page)


def _compounds(selector: str) -> list[Compound]:
    """`main > table.a` as [main], [table, .a]; what is not looked at here (`:first-child`, `td + td`) counts as met."""
    bare = _SIBLING.sub("", _CONDITION.sub("", selector))
    return [tuple(_PART.findall(compound)) for compound in re.split(r"[\s>]+", bare.strip()) if compound]


def _selects(compounds: Sequence[Compound], element: Element, around: Sequence[Element]) -> bool:
    if not compounds or not _is(compounds[-1], element):
        return False
    outer = iter(reversed(around))
    return all(any(_is(compound, each) for each in outer) for compound in reversed(compounds[:-1]))


def _is(compound: Compound, element: Element) -> bool:
    classes = element.attributes.get("class", "").split()
    for mark, name in compound:
        if mark == "." and name not in classes:
            return False
        if mark == "#" and name != element.attributes.get("id"):
            return False
        if not mark and name not in ("*", element.tag):
            return False
    return True
