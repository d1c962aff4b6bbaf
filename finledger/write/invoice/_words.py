"""What stands on a document in words: titles, what a component is, how a unit is called. One place, every format."""

from __future__ import annotations

from datetime import date

from finledger.core.model import Invoice, Seal
from finledger.core.money import Money
from finledger.core.period import Month
from finledger.write import text

NOT_TRACKED = "not tracked"
NOT_MEASURABLE = "not measurable"
NO_FEATURE = "(no feature)"
PRO_FORMA = "PRO FORMA"
QUALITY_COLUMNS = ("Feature", "Charged", "Coverage", "Freshness", "Cost per correct task")

# A component's name, and what a person who did not write the price book needs to know about it (rules P3, C1, Q1-Q3, B1).
COMPONENTS = {
    "base": ("Usage", "what the models cost at the price book's rates"),
    "overhead": ("Overhead", "gateway, retrieval and observability, as a rate on usage"),
    "registry": ("Registry", "the model and prompt registry, carved out of or added to the overhead"),
    "buffer": ("Bursting buffer", "surcharge paid into the fund that bears bursts"),
    "coverage_premium": ("Coverage premium", "for features tested too little; paid back when coverage reaches its target"),
    "freshness_premium": ("Freshness premium", "for traffic that has drifted away from the tests"),
    "coverage_credit": ("Coverage credit", "earlier coverage premium paid back"),
    "gpu": ("GPU time", "accelerator-hours used"),
    "gpu_idle": ("Idle GPU time", "reserved accelerator-hours that nobody used"),
    "egress": ("Data transfer", "data leaving its zone or the cloud"),
    "passthrough": ("Pass-through", "providers' cost charged on as it is"),
    "seat": ("Seats", "seats at their monthly fee"),
    "buffer_draw": ("Buffer draw", "borne by the bursting buffer instead of the team"),
    "buffer_true_up": ("Buffer true-up", "instalments of draws that were lent, and settlement at the quarter's end"),
    "buffer_rebate": ("Buffer rebate", "bursting buffer paid back at the quarter's end"),
    "shared": ("Shared pools", "the team's part of costs that several teams share"),
    "adjustment": ("Adjustments", "corrections of earlier documents"),
}
KINDS = {
    "gpu": "GPU time",
    "gpu_idle": "idle GPU time",
    "egress": "data transfer",
    "passthrough": "passed through at cost",
    "seat": "seats",
    "shared": "shared pool",
    "coverage_premium": "coverage premium",
    "freshness_premium": "freshness premium",
    "coverage_credit": "coverage credit",
    "buffer_draw": "buffer draw",
    "buffer_repayment": "instalment of a buffer draw that was lent",
    "adjustment": "credit",
    "compound_relief": "borne by the team that operated it",
    "compound_share": "operated for another team",
    "buffer_true_up": "buffer draw, trued up",
    "buffer_rebate": "buffer rebate",
}
# Lines that are an amount and not a quantity at a price: their "1 month" would tell a reader nothing.
AMOUNTS = frozenset(
    {
        "coverage_premium", "freshness_premium", "coverage_credit", "buffer_draw", "buffer_repayment", "buffer_true_up",
        "buffer_rebate", "compound_relief", "compound_share",
    }
)  # fmt: skip
UNITS = {"gpu_hour": "GPU-hour"}
BUCKETS = {
    "input_tokens": "input",
    "cached_input_tokens": "cached input",
    "cache_write_tokens": "cache write",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
}
CAUSES = {
    "backfill": "a backfill",
    "evaluation_campaign": "an evaluation campaign",
    "model_migration": "a model migration",
    "research_exploration": "research and exploration",
}
SUBSIDIES = {
    "harness": "Evaluation harness",
    "judge": "Judge models",
    "labelling": "Labelling",
    "trace_capture": "Trace capture",
}
CENTRAL = {
    "eval": ("Evaluation", "all evaluation at the price book's prices"),
    "overhead": ("Overhead", "what the price book would have put on the usage that was charged"),
    "registry": ("Registry", "what the price book would have put on the usage that was charged"),
    "buffer": ("Bursting buffer", "the surcharge that the price book would have put on"),
}


def title(invoice: Invoice) -> str:
    if invoice.kind == "statement":
        return "Pro-forma statement"
    if invoice.kind == "debit_note":
        return "Debit note"
    return "Credit note" if invoice.kind == "credit_note" or invoice.total.minor < 0 else "Invoice"


def period(invoice: Invoice) -> str:
    """The month that the amounts are for: a note's is the one it corrects."""
    return text.joined([text.month(month) for month in _months(invoice)])


def service_days(invoice: Invoice) -> tuple[date, date]:
    """The first and the last day of what the amounts are for."""
    months = _months(invoice)
    return months[0].first_day, months[-1].last_day


def _months(invoice: Invoice) -> tuple[Month, ...]:
    return invoice.service_months if invoice.is_note and invoice.service_months else (invoice.month,)


def correction(invoice: Invoice) -> str:
    """What a note corrects, and why; "" of another document."""
    if not invoice.is_note:
        return ""
    of = (
        f"Corrects {text.shown(invoice.original)} of {period(invoice)}"
        if invoice.original
        else f"Concerns {period(invoice)}"
    )
    return f"{of}. Reason: {text.shown(reason(invoice))}"


def reason(invoice: Invoice) -> str:
    if invoice.reason or not invoice.is_note:
        return invoice.reason
    credit = invoice.lines[0].key.credit if invoice.lines else ""
    if credit:
        return f"Credit {credit}."
    return f"Usage of {period(invoice)} that was loaded after the month had been closed."


def state(invoice: Invoice) -> str:
    """Whether the figures can still change: those of an open month do with what is loaded."""
    if invoice.seal is None:
        return f"Provisional: {invoice.month} is open"
    return f"Final: {invoice.month} is closed"


def root(seal: Seal) -> str:
    """The hash in groups of eight, for eyes that compare it."""
    return " ".join(seal.root[start : start + 8] for start in range(0, len(seal.root), 8))


def quality_title(invoice: Invoice) -> str:
    return f"What it bought in {period(invoice)}" if invoice.is_note else "What it bought"


def quality_columns(invoice: Invoice) -> tuple[str, ...]:
    return tuple("Change" if invoice.is_note and name == "Charged" else name for name in QUALITY_COLUMNS)


def sentence(invoice: Invoice) -> str:
    """What the document says, in one sentence, before any table."""
    team, month, currency = text.shown(invoice.team), text.month(invoice.month), invoice.currency
    would = invoice.kind == "statement"
    size = text.money(-invoice.total if invoice.total.minor < 0 else invoice.total)
    if invoice.is_note:
        return _sentence_of_note(invoice, f"{size} {currency}")
    if invoice.total.minor < 0:
        says = f"Team {team} {'would be' if would else 'is to be'} credited {size} {currency} for {month}"
    elif invoice.total.minor == 0:
        says = f"Team {team} {'would owe' if would else 'owes'} nothing for {month}"
    else:
        says = f"Team {team} {'would owe' if would else 'owes'} {size} {currency} for {month}"
    return says + _against_budget(invoice.variance, invoice.budget)


def _sentence_of_note(invoice: Invoice, size: str) -> str:
    team, of = text.shown(invoice.team), f"for {period(invoice)}"
    if not invoice.total:
        return f"Nothing changes in what team {team} owes {of}: its lines are corrected and come to the same."
    if invoice.kind == "credit_note":
        return f"Team {team} is to be credited {size} {of}."
    return f"Team {team} owes {size} more {of}." if invoice.original else f"Team {team} owes {size} {of}."


def _against_budget(variance: Money | None, budget: Money | None) -> str:
    if variance is None or budget is None:
        return "; it has no budget for the month."
    if not variance:
        return f": exactly its budget of {text.money(budget)}."
    size = text.money(variance if variance.minor > 0 else -variance)
    return f": {size} {'over' if variance.minor > 0 else 'under'} its budget of {text.money(budget)}."


def stage(invoice: Invoice) -> str:
    said = invoice.stage.capitalize()
    return f"{said} (adopted: the books began at this stage)" if invoice.adopted else said


def standing(invoice: Invoice) -> str:
    """What kind of paper this is, for whoever files it."""
    if invoice.kind == "statement":
        return "This pro-forma statement is for information: nothing is posted and nothing is owed."
    issuer, entity = text.shown(invoice.issuer_entity or invoice.issuer), text.shown(invoice.entity)
    if not is_intercompany(invoice):
        inside = f" inside {entity}" if entity else ""
        return f"This document is an internal allocation of cost{inside}; it is not a tax invoice."
    return (
        f"This document supports the intercompany charge from {issuer} to {entity}; where the law asks for a tax invoice, "
        "that is a document of its own."
    )


def is_intercompany(invoice: Invoice) -> bool:
    """Whether the billed team is of another legal entity than the platform (rule L6)."""
    return invoice.entity not in ("", invoice.issuer_entity)


def question(invoice: Invoice) -> str:
    """How to question a line: what to quote, and to whom (rule L5)."""
    return (
        f"To question a line, give team {text.shown(invoice.platform_team)} the number of this document and the line's id, "
        "the small code that begins with L. Each line id can be traced to its line of the price book and to the rows of "
        "usage behind it, and stays the same however often the document is made again."
    )
