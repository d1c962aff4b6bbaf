"""finledger.yaml to the organisation it describes (rules A1, A3, A7-A9, L6).

`settings_text.py` checks every key for itself; here they are checked against one another (a rule that sets a team nobody
declared, shares that do not add up), and become the core's nouns. Everything wrong with the file is reported at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from finledger.core.accounts import account_type, default_accounts
from finledger.core.gate_terms import GateTerms
from finledger.core.model import POOL_PREFIX, Account, Dated, EngineChoice, Organisation, Pool, Rule, Source, Team
from finledger.core.operating import PLATFORM_LED
from finledger.core.problem import Outcome
from finledger.core.provider import Provider, SkuMap, Tolerance
from finledger.core.review_terms import ReviewTerms
from finledger.core.units import OF_FEATURES, WHOLE_TEAM
from finledger.core.usage import WORKLOAD_TYPES
from finledger.read.fields import Checked, check_places, checked
from finledger.read.pools import check_pools, read_weights
from finledger.read.settings_text import (
    DatedText,
    EngineText,
    PoolText,
    ProviderText,
    RuleText,
    SettingsText,
    SkuText,
    TeamText,
    settings_schema,
)
from finledger.read.values import quoted, suggestion
from finledger.read.yaml_lines import Document, load

__all__ = ["read_settings", "settings_schema"]
T = TypeVar("T")
_MASTER = re.compile(
    r"local(\[(\*|[1-9][0-9]*)(,[1-9][0-9]*)?\])?|spark://[^\s,/]+:[0-9]+(,[^\s,/]+:[0-9]+)*|yarn|k8s://\S+"
)


def read_settings(path: Path, shown_as: str, content: bytes | None = None) -> Outcome[Organisation | None]:
    """The organisation, or None with every problem of the file. An unreadable file raises OSError.

    `content`: what the file would hold; what it names beside itself is still looked for in its folder.
    """
    loaded = load(path if content is None else content, shown_as)
    if loaded.rows is None:
        return Outcome(None, loaded.problems)
    found = checked(SettingsText, loaded.rows)
    weights: dict[str, Mapping[str, Decimal]] = {}
    if found.model is not None:
        known = _Names.of(loaded.rows, found.model)
        _check_organisation(found, found.model)
        for name, team in found.model.teams.items():
            _check_team(found, name, team, found.model.currency)
        weights = read_weights(found, found.model, path.parent)
        check_pools(found, found.model, known.teams, weights)
        for number, rule in enumerate(found.model.rules):
            _check_rule(found, number, rule, known)
        for name, provider in found.model.providers.items():
            _check_provider(found, name, provider, found.model.currency)
    if found.problems or found.model is None:
        return Outcome(None, found.in_order())
    return Outcome(_organisation(found.model, loaded.rows, weights))


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that the file declares, also where their entries are wrong, so that one mistake is reported once."""

    teams: tuple[str, ...]
    platform: str
    pool_rows: tuple[str, ...]

    @classmethod
    def of(cls, document: Document, settings: SettingsText) -> _Names:
        plain = document.root.plain()
        pools = plain.get("pools", {})
        pools = pools.values() if isinstance(pools, dict) else ()
        rows = tuple(str(pool["rows"]) for pool in pools if isinstance(pool, dict) and "rows" in pool)
        teams = plain.get("teams", {})
        return cls(tuple(teams) if isinstance(teams, dict) else (), settings.platform.team, rows)


# ── checks of one part against another ──────────────────────────────────────────────────────────────────────────────────


def _check_organisation(found: Checked[SettingsText], settings: SettingsText) -> None:
    if settings.buffer.priced is False and settings.operating_model == PLATFORM_LED:
        message = "in platform_led the buffer's surcharge is always in the price"
        remedy = "remove the line, write `buffer: 0` under the price book's uplift, or choose another operating_model"
        found.report("operating-model", message, remedy, "buffer", "priced")
    if settings.platform.team in settings.teams:
        message = f"{quoted(settings.platform.team)} is the platform's own team, whose use is not charged"
        found.report(
            "platform-team", message, "take it out of teams, or name another platform.team", "teams", settings.platform.team
        )
    seen: dict[str, str] = {}
    for name in settings.teams:
        first = seen.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if first != name:
            message = f"the team {quoted(name)} differs from {quoted(first)} only in how its letters are written"
            found.report(
                "team-names-alike", message, "choose names that differ, since files are named after them", "teams", name
            )
    check_places(found, settings.currency, settings.buffer.opening, "buffer", "opening")
    check_places(found, settings.currency, settings.review.variance_amount, "review", "variance_amount")
    _check_engine(found, settings.engine)
    terms = settings.disputes
    if terms.respond_days > terms.resolve_days:
        message = f"a dispute is to be resolved after {terms.resolve_days} days, before somebody has to look at it"
        remedy = f"write `resolve_days` of {terms.respond_days} or more, or fewer `respond_days`"
        found.report("dispute-days", message, remedy, "disputes")


def _check_engine(found: Checked[SettingsText], engine: EngineText) -> None:
    """Spark's settings are for Spark; a master is written as Spark knows one, and its settings by their names."""
    if engine.kind != "spark":
        for key in ("master", "config"):
            if getattr(engine, key):
                message = f"`{key}` is Spark's, and the engine is {engine.kind}"
                found.report("engine-terms", message, "write `kind: spark`, or remove the line", "engine", key)
        return
    if engine.master is not None and not _MASTER.fullmatch(engine.master):
        message = f"{quoted(engine.master)} is no master that Spark knows"
        remedy = 'write "local[4]", "spark://host:7077", yarn or k8s://HOST'
        found.report("spark-master", message, remedy, "engine", "master")
    for name in engine.config:
        if not name.startswith("spark."):
            message = f"{quoted(name)} is not a setting of Spark"
            found.report("spark-config", message, "write its whole name, as spark.executor.memory", "engine", "config", name)


def _check_team(found: Checked[SettingsText], name: str, team: TeamText, currency: str) -> None:
    for key, entries in (("cost_center", team.cost_center), ("stage", team.stage), ("owner", team.owner)):
        if entries is not None:
            _check_dates(found, entries, "teams", name, key)
    for key, by_month in (("budget", team.budget), ("forecast", team.forecast)):
        for month, amount in by_month.items():
            check_places(found, currency, amount, "teams", name, key, str(month))
    for number, feature in enumerate(team.features):
        if feature in team.features[:number]:
            message = f"the feature {quoted(feature)} is listed twice"
            found.report("feature-twice", message, "keep one of the two", "teams", name, "features", number)
    for feature, units in team.targets.items():
        _check_targets(found, name, team, feature, units)


def _check_targets(found: Checked[SettingsText], name: str, team: TeamText, feature: str, units: Iterable[str]) -> None:
    if feature != WHOLE_TEAM:
        if feature not in team.features and found.sound("teams", name, "features"):
            message = f"the target is for {quoted(feature)}, which is not among the features of {name}"
            remedy = f'{suggestion(feature, team.features)}add it to the team\'s features, or write "*" for the whole team'
            found.report("target-unknown-feature", message, remedy, "teams", name, "targets", feature)
        return
    for unit in units:
        if unit in OF_FEATURES:
            message = f"{unit} is a feature's, and the target is the whole team's"
            found.report("target-unit", message, "write it under a feature", "teams", name, "targets", feature, unit)


def _check_dates(found: Checked[SettingsText], entries: Sequence[DatedText], *steps: str | int) -> None:
    if not entries:
        found.report("dated-list-empty", "the list is empty", "write a value, or remove the line", *steps)
    for number, (before, entry) in enumerate(pairwise(entries), start=1):
        if entry.start is None and found.sound(*steps, number):
            message = "this entry has no date, and one stands before it"
            found.report("dated-list-date", message, "add `from: 2026-07-01`, its first day", *steps, number)
        elif entry.start is None or before.start is None:
            continue
        elif entry.start == before.start:
            message = f"two entries begin on {entry.start}"
            found.report("dated-list-twice", message, "keep one of the two", *steps, number)
        elif entry.start < before.start:
            message = f"{entry.start} stands after {before.start}"
            found.report("dated-list-order", message, "put the entries in the order of their dates", *steps, number)


def _check_rule(found: Checked[SettingsText], number: int, rule: RuleText, known: _Names) -> None:
    for part in ("when", "set"):
        if not getattr(rule, part) and found.sound("rules", number, part):
            message = f"the rule's `{part}` is empty"
            remedy = "say what it looks at" if part == "when" else "say what it fills in"
            found.report("rule-empty", message, f"{remedy}, or remove the rule", "rules", number, part)
    for name, globs in rule.when.items():
        if not globs and found.sound("rules", number, "when", name):
            message = f"the rule looks at {name}, and lists nothing to find there"
            found.report("rule-empty", message, "list what it looks for, or remove the key", "rules", number, "when", name)
    if rule.start is not None and rule.until is not None and rule.until <= rule.start:
        message = f"the rule ends on {rule.until}, before it holds for a day from {rule.start}"
        found.report(
            "rule-dates", message, "write an `until` after its `from`; it is the first day without the rule", "rules", number
        )
    workload_type = rule.set.get("workload_type")
    if workload_type is not None and workload_type not in WORKLOAD_TYPES:
        message = f"{quoted(workload_type)} is not a workload type"
        remedy = f"{suggestion(workload_type, WORKLOAD_TYPES)}write one of {', '.join(WORKLOAD_TYPES)}"
        found.report("rule-workload-type", message, remedy, "rules", number, "set", "workload_type")
    team = rule.set.get("team")
    if team is not None and team not in (*known.teams, known.platform, *known.pool_rows):
        _report_unknown_owner(found, number, team, known)


def _report_unknown_owner(found: Checked[SettingsText], number: int, team: str, known: _Names) -> None:
    steps = ("rules", number, "set", "team")
    if team.startswith(POOL_PREFIX):
        message = f"no pool takes the rows of {quoted(team)}"
        found.report("rule-unknown-pool", message, f"add a pool with `rows: {quoted(team)}`", *steps)
    else:
        message = f"the rule sets a team that is not declared: {quoted(team)}"
        remedy = f"{suggestion(team, (*known.teams, known.platform))}add the team under teams, or set another"
        found.report("rule-unknown-team", message, remedy, *steps)


def _check_provider(found: Checked[SettingsText], name: str, provider: ProviderText, currency: str) -> None:
    check_places(found, currency, provider.tolerance.absolute, "providers", name, "tolerance", "absolute")
    for glob, sku in provider.skus.items():
        steps = ("providers", name, "skus", glob)
        if not found.sound(*steps):
            continue
        if (sku.model is None) == (sku.sku is None):
            message = f"{quoted(glob)} is compared with {'nothing' if sku.model is None else 'a model and a SKU'}"
            remedy = "write either `model: …`, with a `bucket` where it is one of its prices, or `sku: …`"
            found.report("provider-sku", message, remedy, *steps)
        elif sku.sku is not None and sku.bucket is not None:
            message = f"{quoted(glob)} is a bucket of no model"
            found.report("provider-sku", message, "name the model, or take `bucket` out", *steps, "bucket")


# ── to the core's nouns ─────────────────────────────────────────────────────────────────────────────────────────────────


def _organisation(settings: SettingsText, document: Document, weights: Mapping[str, Mapping[str, Decimal]]) -> Organisation:
    return Organisation(
        books=settings.books,
        currency=settings.currency,
        timezone=settings.timezone,
        platform_team=settings.platform.team,
        platform_cost_center=settings.platform.cost_center,
        teams={name: _team(name, team, document) for name, team in settings.teams.items()},
        operating_model=settings.operating_model,
        platform_entity=settings.platform.entity or "",
        unallocated=settings.unallocated,
        pools=tuple(_pool(name, pool, document, weights) for name, pool in settings.pools.items()),
        sources={
            name: Source(name, _as(source.role), source.inclusive, tuple(source.beside), _as(source.traces))
            for name, source in settings.sources.items()
        },
        rules=tuple(_rule(number, rule, document) for number, rule in enumerate(settings.rules)),
        accounts={**default_accounts(_as(settings.fund_presentation)), **_accounts(settings)},
        passthrough_basis=_as(settings.passthrough_basis),
        buffer_opening=settings.buffer.opening,
        buffer_priced=bool(settings.buffer.priced),
        fiscal_year_start=settings.fiscal_year_start,
        source=document.where(),
        providers={name: _provider(name, provider, document) for name, provider in settings.providers.items()},
        fund_presentation=_as(settings.fund_presentation),
        compound_calls=_as(settings.compound_calls),
        operator_share=settings.operator_share,
        respond_days=settings.disputes.respond_days,
        resolve_days=settings.disputes.resolve_days,
        store=settings.store or "",
        require_feature=settings.require_feature,
        ladder=_ladder(settings),
        review=ReviewTerms(**dict(settings.review)),
        engine=EngineChoice(
            _as(settings.engine.kind),
            settings.engine.master or "",
            tuple(settings.engine.config.items()),
            document.where("engine"),
        ),
    )


def _ladder(settings: SettingsText) -> GateTerms:
    gates = settings.gates
    return GateTerms(
        dispute_rate=gates.allocation.dispute_rate,
        dispute_months=gates.allocation.months,
        unallocated=gates.chargeback.unallocated,
        closed_months=gates.chargeback.months,
        baseline=gates.chargeback.baseline,
        sign_off=gates.chargeback.sign_off,
        acknowledged=gates.optimisation.acknowledged,
        acknowledged_months=gates.optimisation.months,
        journal=tuple(settings.journal),
        mapped=frozenset(settings.accounts),
        early=frozenset(name for name, team in settings.teams.items() if team.early_adoption),
    )


def _as(word: str) -> Any:
    """A word that its field has checked, as the Literal that the noun declares."""
    return word


def _dated(entries: Iterable[DatedText], value: Callable[[Any], T]) -> Dated[T]:
    changes: tuple[tuple[date | None, T], ...] = tuple((entry.start, value(entry)) for entry in entries)
    return Dated(changes)


def _team(name: str, team: TeamText, document: Document) -> Team:
    return Team(
        name=name,
        cost_center=_dated(team.cost_center, lambda entry: str(entry.code)),
        stage=_dated(team.stage, lambda entry: _as(entry.stage)) if team.stage else Dated.always("showback"),
        owner=_dated(team.owner, lambda entry: str(entry.owner)) if team.owner else Dated.always(""),
        features=tuple(team.features),
        seats=dict(team.seats),
        budget=dict(team.budget),
        forecast=dict(team.forecast),
        entity=team.entity or "",
        source=document.where("teams", name),
        targets={feature: dict(units) for feature, units in team.targets.items()},
    )


def _pool(name: str, pool: PoolText, document: Document, weights: Mapping[str, Mapping[str, Decimal]]) -> Pool:
    driver = pool.driver
    return Pool(
        name=name,
        driver=driver.meter or ("shares" if driver.shares is not None else "weights"),
        amount=None if pool.amount is None else dict(pool.amount),
        rows=pool.rows or "",
        targets=() if pool.to == ["teams"] else tuple(pool.to),
        shares=driver.shares or weights.get(name, {}),
        source=document.where("pools", name),
    )


def _rule(number: int, rule: RuleText, document: Document) -> Rule:
    return Rule(
        number=number + 1,
        when={name: tuple(globs) for name, globs in rule.when.items()},
        set=dict(rule.set),
        start=rule.start,
        until=rule.until,
        source=document.where("rules", number),
    )


def _provider(name: str, provider: ProviderText, document: Document) -> Provider:
    return Provider(
        name=name,
        invoice=_as(provider.invoice),
        tolerance=Tolerance(provider.tolerance.absolute, provider.tolerance.relative),
        names=tuple(provider.names),
        sources=tuple(provider.sources),
        skus=tuple(SkuMap(glob, _metered_name(sku)) for glob, sku in provider.skus.items()),
        source=document.where("providers", name),
    )


def _metered_name(sku: SkuText) -> str:
    """What metering calls it: `gpt-small input`, `gpt-small *` for all its tokens, or the SKU's own name."""
    return f"{sku.model} {sku.bucket or '*'}" if sku.model is not None else sku.sku or ""


def _accounts(settings: SettingsText) -> dict[str, Account]:
    presentation = _as(settings.fund_presentation)
    return {
        key: Account(key, account.name, account_type(key, presentation), account.number or "")
        for key, account in settings.accounts.items()
    }
