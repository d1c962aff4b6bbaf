"""The nouns of a provider's side: its invoices, what was metered of it, and every cent between the two (rules X1-X3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from finledger.core.money import EXACT, Money
from finledger.core.period import Month
from finledger.core.problem import SourceRef

InvoiceCategory = Literal["usage", "credit", "tax", "fee", "adjustment"]
# Every cent between metering and invoice is of one of these, in the order in which they are tried (X1).
Difference = Literal[
    "currency", "credit_tax_fee", "duplicate", "timing", "missing_from_invoice", "missing_from_metering", "quantity", "rate",
    "rounding",
]  # fmt: skip
DIFFERENCES: tuple[Difference, ...] = (
    "currency", "credit_tax_fee", "duplicate", "timing", "missing_from_invoice", "missing_from_metering", "quantity", "rate",
    "rounding",
)  # fmt: skip

# FOCUS's charge categories, and those of the exports that speak like it, as ours. What is prepaid is a fee: it is no month's use.
_CATEGORIES: dict[str, InvoiceCategory] = {
    "usage": "usage", "credit": "credit", "tax": "tax", "fee": "fee", "purchase": "fee", "adjustment": "adjustment",
}  # fmt: skip


def category_of(charge_category: str) -> InvoiceCategory:
    """A charge category as we count it; what is none of the known ones is usage.

    >>> category_of("Tax"), category_of("Purchase"), category_of("")
    ('tax', 'fee', 'usage')
    """
    return _CATEGORIES.get(charge_category.strip().casefold(), "usage")


# ── what the organisation says about a provider ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a provider's SKU may differ by without a question: the larger of `absolute`, in the books' currency, and
    `relative` x the metered cost. What it absorbs is posted all the same (X1)."""

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SkuMap:
    """Which SKU of ours an invoice's is: globs of both names. The invoice's may stand for many of ours: `gpt-small *`."""

    invoiced: str
    metered: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: whether it sends an invoice (X1), and how its names and SKUs are ours.

    `names`: globs of what usage rows and invoices call it, beside its own name, in letters of either case. `sources`: the
    sources whose rows are its own where nothing in a row says whose it is. `skus`: the first map that fits counts.
    """

    name: str
    invoice: Literal["expected", "none"] = "expected"
    tolerance: Tolerance = Tolerance()
    names: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    skus: tuple[SkuMap, ...] = ()
    source: SourceRef | None = None

    def is_called(self, name: str) -> bool:
        word = name.casefold()
        return word == self.name.casefold() or any(fits(glob.casefold(), word) for glob in self.names)

    def metered_as(self, sku: str) -> str:
        """The name under which a metered SKU is compared with invoices."""
        return next((each.metered for each in self.skus if fits(each.metered, sku)), sku)

    def invoiced_as(self, sku: str, description: str = "") -> str | None:
        """What an invoice's SKU is compared with by the maps, which look at it alone and with the line's description."""
        return next(
            (each.metered for each in self.skus if any(fits(each.invoiced, name) for name in called(sku, description))), None
        )


def called(sku: str, description: str) -> tuple[str, str]:
    """What an invoice's line can be called: `gpt-4o-mini`, and `gpt-4o-mini input` by its description."""
    return sku, f"{sku} {description}".strip()


def provider_named(providers: Iterable[Provider], name: str) -> Provider | None:
    """The provider that a usage row or an invoice means by `name`."""
    return next((each for each in providers if each.is_called(name)), None) if name else None


def fits(glob: str, text: str) -> bool:
    """`*` stands for any text and `?` for one character; everything else is itself.

    >>> fits("gpt-4o-mini* input", "gpt-4o-mini-2024-07-18 input"), fits("gpt-4o", "gpt-4o-mini")
    (True, False)
    """
    return _pattern(glob).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char, re.escape(char)) for char in glob), re.DOTALL)


# ── quantities in one unit ──────────────────────────────────────────────────────────────────────────────────────────────

_UNIT = re.compile(
    r"(?:per )?(?P<number>[0-9][0-9,]*(?:\.[0-9]+)?)?\s*(?:(?P<scale>k|m|b|thousand|million|billion)(?=\s|tokens?$))?\s*(?P<noun>.*)"
)
_SCALES = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "billion": 9}
_GIB = Decimal(1024**3).scaleb(-9)
_NOUNS: dict[str, tuple[str, Decimal]] = {
    **dict.fromkeys(("token", "tokens"), ("tokens", Decimal(1))),
    **dict.fromkeys(
        ("h", "hr", "hrs", "hour", "hours", "gpu-hour", "gpu-hours", "gpu hour", "gpu hours"), ("hours", Decimal(1))
    ),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), ("GB", Decimal(1))),
    **dict.fromkeys(("gib", "gibibyte", "gibibytes"), ("GB", _GIB)),
    **dict.fromkeys(("tb", "terabyte", "terabytes"), ("GB", Decimal(1000))),
    **dict.fromkeys(("tib", "tebibyte", "tebibytes"), ("GB", _GIB * 1024)),
    **dict.fromkeys(("request", "requests", "call", "calls"), ("requests", Decimal(1))),
}


def in_our_unit(quantity: Decimal, unit: str) -> tuple[Decimal, str]:
    """A quantity in tokens, hours, GB or requests, exactly (M4); in its own unit, by one of it, where it is none of these.

    >>> in_our_unit(Decimal("1.5"), "1M Tokens"), in_our_unit(Decimal(2), "GiB"), in_our_unit(Decimal(3), "100 Images")
    ((Decimal('1500000.0'), 'tokens'), (Decimal('2.147483648'), 'GB'), (Decimal('300'), 'images'))
    """
    found = _UNIT.fullmatch(" ".join(unit.casefold().split()))
    assert found is not None, "every text is a number, a scale and a noun, each of which may be empty"
    noun, factor = _NOUNS.get(found["noun"], (found["noun"], Decimal(1)))
    if found["number"]:
        factor = EXACT.multiply(factor, Decimal(found["number"].replace(",", "")))
    if found["scale"]:
        factor = EXACT.multiply(factor, Decimal(10 ** _SCALES[found["scale"]]))
    return EXACT.multiply(quantity, factor), noun


# ── its invoices, and what was metered of it ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A line of a provider's invoice, exact, in the invoice's currency. A credit is negative.

    `sku` is what the provider calls the thing: a model, a meter, a usage type. `quantity` is in `unit` (tokens, hours, GB, …),
    None where the invoice does not say. `rate`: units of the books' currency for one of the invoice's, where it states one.
    `rows`: how many of the export's rows, each rounded by the provider, the line sums.
    """

    provider: str
    invoice: str
    invoice_date: date | None
    service_month: Month
    sku: str
    description: str
    quantity: Decimal | None
    unit: str
    amount: Decimal
    currency: str
    category: InvoiceCategory = "usage"
    source: SourceRef | None = None
    rate: Decimal | None = None
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Metered:
    """What was metered of a provider's SKU in a month, and its cost at the contracted rates, in the books' currency.

    `sku` is the name under which it is compared with invoices. `quantity` is None where the rows state none, or in different
    units. `as_billed` is what the provider's own rows say it billed for the same usage, None where there are none. Credits,
    taxes and fees that the rows hold are SKUs of their own, by `category`.
    """

    provider: str
    sku: str
    service_month: Month
    quantity: Decimal | None
    unit: str
    cost: Decimal
    as_billed: Decimal | None = None
    category: InvoiceCategory = "usage"


@dataclass(frozen=True, slots=True)
class Accrual:
    """Metered usage of a service month whose invoice has not arrived (X2)."""

    provider: str
    service_month: Month
    amount: Money


@dataclass(frozen=True, slots=True)
class SkuReconciliation:
    """One SKU of one provider in a service month: invoiced - metered = the classes + unclassified, to the cent.

    `classes` holds what is not zero. The quantities are in `unit`, None where one side does not say. `within_tolerance`: there
    is a difference, and the provider's tolerance absorbs it. `note` says why something is unclassified. `lines`: where the
    invoices' lines stand.
    """

    provider: str
    sku: str
    service_month: Month
    metered: Money
    invoiced: Money
    classes: Mapping[Difference, Money] = field(default_factory=dict)
    within_tolerance: bool = False
    invoices: tuple[str, ...] = ()
    metered_quantity: Decimal | None = None
    invoiced_quantity: Decimal | None = None
    unit: str = ""
    note: str = ""
    lines: tuple[SourceRef, ...] = ()

    @property
    def difference(self) -> Money:
        return self.invoiced - self.metered

    @property
    def unclassified(self) -> Money:
        rest = self.difference
        for amount in self.classes.values():
            rest = rest - amount
        return rest
