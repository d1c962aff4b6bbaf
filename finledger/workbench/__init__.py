"""What commands and `finledger.api` call: it composes readers, store, engines, corridor and ledger.

Nothing here computes a figure; nothing here asks or shows. `Workbench` is a set of books, opened and at work; the other
modules are the work that goes beyond one month: a quarter's end, the buffer fund, a price book's life, what-ifs.
"""

from finledger.workbench.issuing import Workbench

__all__ = ["Workbench"]
