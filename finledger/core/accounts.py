"""The chart of accounts that rule L1 posts to, until finledger.yaml maps a role to the controller's own account."""

from __future__ import annotations

from finledger.core.model import Account, AccountType

_DEFAULTS: tuple[tuple[str, str, AccountType], ...] = (
    ("ai_service_expense", "AI service expense", "Expenses"),
    ("quality_premium_expense", "Quality premium expense", "Expenses"),
    ("idle_capacity_expense", "Idle capacity expense", "Expenses"),
    ("recovery_of_usage", "Recovery of usage", "Income"),
    ("recovery_of_overhead", "Recovery of overhead", "Income"),
    ("recovery_of_eval", "Recovery of eval", "Income"),
    ("recovery_of_registry", "Recovery of registry", "Income"),
    ("registry_reserve", "Registry reserve", "Liabilities"),
    ("buffer_fund", "Buffer fund", "Liabilities"),
    ("eval_reserve", "Eval reserve", "Liabilities"),
    ("provider_expense", "Provider expense", "Expenses"),
    ("provider_variance", "Provider variance", "Expenses"),
    ("accrued_provider_cost", "Accrued provider cost", "Liabilities"),
    ("provider_payable", "Provider payable", "Liabilities"),
    ("conversion_difference", "Conversion difference", "Expenses"),
)

DEFAULT_ACCOUNTS: dict[str, Account] = {key: Account(key, name, kind) for key, name, kind in _DEFAULTS}
