"""Documents: an `Invoice` in every format of this folder. The folder is the registry: a module is a format.

A format has `SUFFIX` (what its file name ends with) and `render(invoice, templates) -> bytes`, the same bytes for the same
invoice; `BESIDE = True` where most of its work is done outside Python, so that threads are of use. Modules whose name begins
with `_` are what the formats share.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import cache
from types import ModuleType

from finledger.core.model import Invoice
from finledger.core.problem import Misused
from finledger.write.files import safe_name
from finledger.write.templates import Templates

MOST_THREADS = 4
FEW = 8  # documents, which are made one after the other: a second thread would have to set up all that the first has


@cache
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


def render_all(wanted: Sequence[tuple[str, Invoice]], templates: Callable[[], Templates]) -> Iterator[bytes]:
    """The content of each (format, document), in this order, as soon as it is made; raises what `render` raises.

    `templates`: makes them, once for each thread, since what they keep is of one thread only.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    beside = sum(bool(getattr(_format(name), "BESIDE", False)) for name, _ in wanted)
    if threads == 1 or beside <= FEW:
        own = templates()
        yield from (render(name, invoice, own) for name, invoice in wanted)
        return
    kept = threading.local()

    def made(asked: tuple[str, Invoice], context: Context) -> bytes:
        if not hasattr(kept, "templates"):
            kept.templates = templates()
        return context.run(render, *asked, kept.templates)

    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        yield from pool.map(made, wanted, [copy_context() for _ in wanted])
    finally:
        pool.shutdown(cancel_futures=True)


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
