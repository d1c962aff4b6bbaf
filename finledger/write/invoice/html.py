"""A document as one HTML page that asks nothing of the network: for reading, printing and mailing."""

from __future__ import annotations

from finledger.core.model import Invoice
from finledger.write.invoice._evidence import read_html, require_pro_forma, require_quality
from finledger.write.invoice._view import view
from finledger.write.templates import Templates

SUFFIX = ".html"
TEMPLATE = "invoice.html.j2"


def render(invoice: Invoice, templates: Templates) -> bytes:
    document = view(invoice)
    page = templates.html(TEMPLATE, document=document)
    tables, shown = read_html(page)
    require_quality(tables, document, templates, TEMPLATE)
    require_pro_forma(shown, document, templates, TEMPLATE)
    return page.encode("utf-8")
