"""The chart of accounts that rule L1 posts to, until finledger.yaml maps a role to the controller's own account.

The three intercompany accounts of rule L6 have no default: they are there when the controller names all of them.
"""

from __future__ import annotations

from typing import Literal

from finledger.core.model import Account, AccountType, Organisation

FundPresentation = Literal["liability", "pnl_contra"]

_DEFAULTS: tuple[tuple[str, str, AccountType], ...] = (
    ("ai_service_expense", "AI service expense", "Expenses"),
    ("quality_premium_expense", "Quality premium expense", "Expenses"),
    ("idle_capacity_expense", "Idle capacity expense", "Expenses"),
    ("recovery_of_usage", "Recovery of usage", "Income"),
    ("recovery_of_overhead", "Recovery of overhead", "Income"),
    ("recovery_of_eval", "Recovery of eval", "Income"),
    ("recovery_of_registry", "Recovery of registry", "Income"),
    ("recovery_of_passthrough", "Recovery of passthrough", "Income"),
    ("registry_reserve", "Registry reserve", "Liabilities"),
    ("buffer_fund", "Buffer fund", "Liabilities"),
    ("eval_reserve", "Eval reserve", "Liabilities"),
    ("provider_expense", "Provider expense", "Expenses"),
    ("provider_variance", "Provider variance", "Expenses"),
    ("accrued_provider_cost", "Accrued provider cost", "Liabilities"),
    ("provider_payable", "Provider payable", "Liabilities"),
    ("conversion_difference", "Conversion difference", "Expenses"),
)
FUNDS = ("registry_reserve", "buffer_fund", "eval_reserve")

DEFAULT_ACCOUNTS: dict[str, Account] = {key: Account(key, name, kind) for key, name, kind in _DEFAULTS}
INTERCOMPANY: dict[str, AccountType] = {
    "intercompany_receivable": "Assets",
    "intercompany_payable": "Liabilities",
    "intercompany_income": "Income",
}


def account_type(key: str, presentation: FundPresentation) -> AccountType:
    """The type of a role's account, whatever it is called: of a fund it is how the books present it (L1)."""
    if key in FUNDS and presentation == "pnl_contra":
        return "Income"
    return INTERCOMPANY[key] if key in INTERCOMPANY else DEFAULT_ACCOUNTS[key].type


def default_accounts(presentation: FundPresentation = "liability") -> dict[str, Account]:
    """The defaults by role. With `pnl_contra` the funds' accounts are contra income, not liabilities (L1)."""
    return {key: Account(key, each.name, account_type(key, presentation)) for key, each in DEFAULT_ACCOUNTS.items()}


def accounts_of(organisation: Organisation) -> dict[str, Account]:
    """Every account that the organisation posts to, by role: the controller's, else the default."""
    return {**default_accounts(organisation.fund_presentation), **organisation.accounts}


def missing_between_entities(organisation: Organisation) -> tuple[str, ...]:
    """The keys of finledger.yaml that have to be there before a charge posts between legal entities (L6); none = it does.

    The platform has to have a name too: a receivable or a payable is one of somebody.
    """
    accounts = tuple(f"accounts.{key}" for key in INTERCOMPANY if key not in organisation.accounts)
    return accounts if organisation.platform_entity else ("platform.entity", *accounts)
