"""A document as Markdown with tables, for a chat, a ticket or a pull request."""

from __future__ import annotations

from dataclasses import replace

from finledger.core.model import Invoice
from finledger.write.invoice._evidence import read_markdown, require_pro_forma, require_quality
from finledger.write.invoice._hiding import shown_markdown
from finledger.write.invoice._view import QualityRow, View, view
from finledger.write.templates import Templates, markdown

SUFFIX = ".md"
TEMPLATE = "invoice.md.j2"


def render(invoice: Invoice, templates: Templates) -> bytes:
    document = view(invoice)
    page = templates.markdown(TEMPLATE, document=document)
    require_quality(read_markdown(page), _escaped(document), templates, TEMPLATE)
    require_pro_forma(shown_markdown(page), document, templates, TEMPLATE)
    return page.encode("utf-8")


def _escaped(document: View) -> View:
    """The quality table as it must stand in the page's source."""
    return replace(document, quality=tuple(QualityRow(*map(markdown, row.cells)) for row in document.quality))
