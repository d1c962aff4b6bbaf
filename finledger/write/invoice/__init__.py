"""Documents: an `Invoice` in every format of this folder. The folder is the registry: a module is a format.

A format has `SUFFIX` (what its file name ends with) and `render(invoice, templates) -> bytes`, the same bytes for the same
invoice. Modules whose name begins with `_` are what the formats share.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from finledger.core.model import Invoice
from finledger.core.problem import Misused
from finledger.write.files import safe_name
from finledger.write.templates import Templates


def formats() -> tuple[str, ...]:
    """The names of the formats, sorted; nothing is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def render(name: str, invoice: Invoice, templates: Templates) -> bytes:
    """The document as one file's content.

    Raises `Misused` for a format that does not exist, `Refused` where the user's template is broken or leaves out what
    every document must show (rule Q4).
    """
    content: bytes = _format(name).render(invoice, templates)
    return content


def suffix(name: str) -> str:
    """What the format's file name ends with: `.html`."""
    ending: str = _format(name).SUFFIX
    return ending


def place(invoice: Invoice) -> str:
    """Where the document lies in out/MONTH, without its suffix: `invoices/INV-2026-0001-search`, `statements/support`."""
    folder = "notes" if invoice.is_note else f"{invoice.kind}s"
    team = safe_name(invoice.team)
    return f"{folder}/{team}" if invoice.kind == "statement" else f"{folder}/{invoice.number}-{team}"


def _format(name: str) -> ModuleType:
    if name not in formats():
        raise Misused(f"there is no document format {name!r}: choose from {', '.join(formats())}")
    return importlib.import_module(f"{__name__}.{name}")
