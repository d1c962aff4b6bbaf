"""Work a charge line out again from its evidence, with Python and nothing else.

    python3 -I check.py              in the folder that the bundle was unpacked to
    python3 -I check.py FILE.zip     of a bundle as it is

It checks the SHA-256 of every file against manifest.json, adds the source rows up, multiplies by the price, rounds, takes the
amount apart into its components, and says of each step whether it comes to what the line says. Exit code 1 where one does not.
All figures are exact: decimals are read from their text, and nothing is rounded but where it says so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
COSTS = {"effective_cost": "billed_cost", "billed_cost": "effective_cost"}  # a row that states one cost has it for both
MANIFEST, EXPLANATION, DISPUTE, ROWS = "manifest.json", "explanation.json", "dispute.json", "rows.csv"
NEAR = 40  # how many lines below the one that is named a figure of the price book may stand
Facts = Mapping[str, Any]


class Steps:
    """What was looked at, in order, and whether it holds."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def check(self, holds: bool, right: str, wrong: str = "") -> bool:
        self.said.append(("ok", right) if holds else ("WRONG", wrong or right))
        return holds

    def note(self, text: str) -> None:
        self.said.append(("", text))

    @property
    def wrong(self) -> list[str]:
        return [text for mark, text in self.said if mark == "WRONG"]


class Bundle:
    """The files of a bundle, in a folder or in a zip archive."""

    def __init__(self, path: Path) -> None:
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        self._folder = path

    def names(self) -> list[str]:
        if self._zip is not None:
            return sorted(self._zip.namelist())
        return sorted(each.relative_to(self._folder).as_posix() for each in self._folder.rglob("*") if each.is_file())

    def open(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("rb") if self._zip is None else self._zip.open(name)

    def read(self, name: str) -> bytes:
        with self.open(name) as stream:
            return stream.read()

    def sha256(self, name: str) -> str:
        with self.open(name) as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


def check_files(bundle: Bundle, steps: Steps) -> None:
    """Every file is there and unchanged, and no other is; the manifest itself is written in one way only."""
    raw = bundle.read(MANIFEST)
    manifest = json.loads(raw)
    one_way = (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
    whole = raw == one_way and sorted(manifest) == ["files", "schema"] and manifest["schema"] == 1
    steps.check(whole, f"{MANIFEST} is whole")
    there = set(bundle.names()) - {MANIFEST}
    for name, sha256 in sorted(manifest["files"].items()):
        found = bundle.sha256(name) if name in there else "missing"
        steps.check(
            found == sha256, f"{name} has its SHA-256", f"{name} is not what it was: {sha256} expected, {found} found"
        )
    for name in sorted(there - set(manifest["files"])):
        steps.check(False, f"{name} is not listed in {MANIFEST}")


def check_events(bundle: Bundle, line: Facts, steps: Steps) -> None:
    """The dispute's events in the books' log: each hash is that of its content and of the event before it."""
    dispute = json.loads(bundle.read(DISPUTE))
    for event in dispute["events"]:
        content = json.dumps(event["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        chained = [event["number"], event["kind"], event["period"], event["subject"], content, event["previous"]]
        text = json.dumps(chained, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        found = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        named = f"event {event['number']} ({event['kind']} {event['subject']})"
        steps.check(
            found == event["hash"], f"{named} has its hash {event['hash'][:16]}…", f"{named} is not what its hash says"
        )
    said = dispute["dispute"]
    same = (said["line_id"], said["amount"], said["team"]) == (line["line_id"], line["amount"], line["team"])
    steps.check(same, f"{said['dispute']} is about {line['line_id']}, {line['amount']} {line['currency']} of {line['team']}")


def each_row(bundle: Bundle) -> Iterator[dict[str, str]]:
    with bundle.open(ROWS) as stream:
        yield from csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8", newline=""))


def sum_rows(rows: Iterable[Mapping[str, str]], successful: Iterable[str], currency: str) -> dict[str, Fraction]:
    """What the rows add up to, by measure; costs by currency too, as `effective_cost EUR`."""
    fine = set(successful)
    sums: dict[str, Fraction] = {}

    def add(name: str, amount: Fraction) -> None:
        sums[name] = sums.get(name, Fraction(0)) + amount

    for row in rows:
        calls = Fraction(row.get("requests") or 1)
        add("rows", Fraction(1))
        add("calls", calls)
        add("failed_calls", calls if (row.get("status") or "").lower() not in fine else Fraction(0))
        for name in (*TOKENS, "gpu_hours", "egress_gb"):
            add(name, Fraction(row.get(name) or 0))
        for name, other in COSTS.items():
            cost = Fraction(row.get(name) or row.get(other) or 0)
            add(name, cost)
            add(f"{name} {row.get('billed_currency') or currency}", cost)
    return sums


def check_rows(said: Facts, bundle: Bundle, steps: Steps) -> dict[str, Fraction]:
    """The rows add up to what the line was made of. Returns their sums, less what seats include of them."""
    rows, written = said["rows"], said["rows_written"]
    currency = said["line"]["currency"]
    if written < rows["count"]:
        steps.note(f"{ROWS} holds {written} of {rows['count']} rows: their sums are taken as stated, not added up")
        return {each["measure"]: Fraction(each["rows"]) for each in rows["checks"]}
    sums = sum_rows(each_row(bundle), said["successful"], currency)
    count = sums.get("rows", Fraction(0))
    steps.check(count == rows["count"], f"{ROWS}: {count} source rows", f"{ROWS} has {count} rows, not {rows['count']}")
    included = {name: Fraction(text) for name, text in said["included"].items()}
    for each in rows["checks"]:
        name = each["measure"]
        found = sums.get(name, Fraction(0)) - included.get(name, Fraction(0))
        less = f" (less {text(included[name])} that seats include)" if name in included else ""
        wrong = f"{name}: the rows come to {text(found)}{less}, the line was made of {each['must_be']}"
        steps.check(found == Fraction(each["must_be"]), f"{name}: the rows come to {text(found)}{less}", wrong)
    return {name: found - included.get(name, Fraction(0)) for name, found in sums.items()}


def minor(amount: str | int | Fraction, digits: int) -> int:
    """An amount of money in its currency's smallest unit."""
    units = Fraction(amount) * 10**digits
    assert units.denominator == 1, f"{amount} has more than {digits} decimal places"
    return int(units.numerator)


def shown(units: int, digits: int) -> str:
    sign, whole = "-" if units < 0 else "", abs(units)
    return f"{sign}{whole // 10**digits}.{whole % 10**digits:0{digits}d}" if digits else f"{sign}{whole}"


def text(number: Fraction) -> str:
    """With every digit where it has an end, else as the fraction it is."""
    for places in range(60):
        if 10**places % number.denominator == 0:
            return shown(number.numerator * (10**places // number.denominator), places)
    return str(number)


def nearest(exact: Fraction, digits: int, mode: str) -> int:
    """In the smallest unit, to the nearest; a half goes away from zero (half_up) or to the even one (half_even)."""
    units = abs(exact) * 10**digits
    whole, rest = divmod(units.numerator, units.denominator)
    twice = 2 * rest
    up = twice > units.denominator or (twice == units.denominator and (mode == "half_up" or whole % 2 == 1))
    return -int(whole + up) if exact < 0 else int(whole + up)


def split(whole: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Take an amount apart by weights: cut each part off, then one unit each to the largest remainders; ties by name."""
    weight_sum, size = sum(weights.values()), abs(whole)
    if not weight_sum:
        return dict.fromkeys(weights, 0)
    exact = {name: weights[name] * size / weight_sum for name in sorted(weights)}
    parts = {name: part.numerator // part.denominator for name, part in exact.items()}
    for name in sorted(exact, key=lambda name: -(exact[name] - parts[name]))[: size - sum(parts.values())]:
        parts[name] += 1
    return {name: -part if whole < 0 else part for name, part in parts.items()}


def stacked(base: Fraction, uplift: Facts, named: str) -> dict[str, Fraction]:
    """The base with what is stacked on it: overhead, registry (carved out of the overhead, or on top), buffer."""
    overhead, registry, buffer = (Fraction(uplift.get(name, 0)) for name in ("overhead", "registry", "buffer"))
    basis = uplift.get("registry_basis", "carved")
    above = base * overhead
    share = (base + above) * registry if basis == "of_price" else above * registry
    if basis == "carved":
        above -= share
    parts = {named: base, "overhead": above, "registry": share, "buffer": (base + above + share) * buffer}
    return {name: part for name, part in parts.items() if part or name == named}


def value(facts: Facts, name: str, default: Any = None) -> Any:
    """A fact's value: facts with a place or parts are objects, others stand for themselves."""
    found = facts.get(name, default)
    return found.get("value", default) if isinstance(found, dict) else found


class Line:
    """The line that is checked, and what checks it."""

    def __init__(self, said: Facts, bundle: Bundle, steps: Steps) -> None:
        self.said, self.bundle, self.ok, self.note = said, bundle, steps.check, steps.note
        self.line: Facts = said["line"]
        self.digits: int = said["minor_digits"]
        self.sums = check_rows(said, bundle, steps) if said["rows"] is not None else {}

    def seen(self, number: str, where: str, what: str) -> None:
        """The figure stands in the file, at the line that is named or a little below."""
        name, _, start = where.rpartition(":")
        if name not in self.bundle.names() or not start.isdecimal():
            self.note(f"{what} {number} stands in {where}, which is not in the bundle")
            return
        lines = self.bundle.read(name).decode().splitlines()[int(start) - 1 :][:NEAR]
        near = "\n".join(lines)
        there = any(Fraction(each) == Fraction(number) for each in re.findall(r"\d*\.?\d+", near))
        if not there and re.search(r"[:\s]\*\w", near):
            self.note(f"{what} {number}: look it up in {where}, which refers to another place")
        else:
            self.ok(there, f"{what} {number} stands in {where}", f"{what} {number} does not stand in {where}")

    def book(self, price: Facts) -> None:
        """The price book is the one that is named: its SHA-256 stands on the invoice."""
        named = price["book"]
        file = named["where"].rpartition(":")[0]
        found = self.bundle.sha256(file) if file in self.bundle.names() else "missing"
        self.ok(found == named["sha256"], f"price book {named['value']} is {found[:16]}…, as the invoice says")

    def rounds(self, exact: Fraction, facts: Facts, what: str) -> int:
        mode = value(facts, "rounding", "half_up")
        found = nearest(exact, self.digits, mode)
        self.note(f"{what} = {text(exact)}, rounded ({mode}) to {shown(found, self.digits)}")
        return found

    def of_usage(self, kind: str, item: str, facts: Facts) -> tuple[int, dict[str, int]]:
        """Quantity x price, rounded once, shared with the platform, split into its components."""
        weights, exact = self.priced(kind, item, facts)
        self.ok(exact == Fraction(facts["exact"]), f"exact {text(exact)}", f"exact {text(exact)}, not {facts['exact']}")
        amount = self.shared(self.rounds(exact, facts, "exact"), facts)
        parts = split(amount, {name: abs(weight) for name, weight in weights.items()})
        for each in facts["components"]:
            found = shown(parts.get(each["name"], 0), self.digits)
            right = f"component {each['name']} {found}"
            self.ok(found == each["amount"], right, f"{right}, not {each['amount']}")
        return amount, parts

    def priced(self, kind: str, item: str, facts: Facts) -> tuple[dict[str, Fraction], Fraction]:
        """The component prices that the amount is split by, and the exact amount."""
        price = facts.get("price", {})
        if price:
            self.book(price)
        if kind == "passthrough":
            weights = stacked(self.cost(facts["provider_cost"]), price.get("uplift", {}), "passthrough")
            return weights, sum(weights.values(), Fraction(0))
        uplift = price.get("uplift", {})
        for name in ("overhead", "registry", "buffer"):
            if name in uplift:
                self.seen(uplift[name], uplift["where"], name)
        quantity = self.quantity(kind, facts)
        if kind != "action":
            self.seen(price["rate"], price["where"], f"rate of {item}")
            weights = stacked(Fraction(price["rate"]), uplift, kind)
            return weights, quantity * sum(weights.values(), Fraction(0))
        if price["pricing"] == "metered":
            weights = stacked(self.tokens(price["rates"]), uplift, "base")
            return weights, sum(weights.values(), Fraction(0))
        self.seen(price["base"], price["where"], f"base of {item}")
        weights, each = stacked(Fraction(price["base"]), uplift, "base"), Fraction(price["value"])
        if each == sum(weights.values()):  # what the model of operation bills, which need not stand in the book
            self.note(f"price of {item} {price['value']} is its base with what is stacked on it")
        else:
            self.seen(price["value"], price["where"], f"price of {item}")
        self.note(f"{text(quantity)} x {price['value']} = {text(quantity * each)}")
        return weights, quantity * each

    def quantity(self, kind: str, facts: Facts) -> Fraction:
        stated = Fraction(facts["quantity"])
        measure = {"action": "calls", "gpu": "gpu_hours", "egress": "egress_gb"}.get(kind)
        found = Fraction(value(facts, "seats", 0)) if measure is None else self.sums.get(measure, Fraction(0))
        self.ok(found == stated, f"quantity {text(stated)}", f"quantity {text(found)}, not {text(stated)}")
        return found

    def tokens(self, rates: Iterable[Facts]) -> Fraction:
        """Tokens x rate for 1,000,000, by bucket."""
        cost = Fraction(0)
        for each in rates:
            count = self.sums.get(each["name"], Fraction(0))
            self.seen(each["rate"], each["where"], f"rate of {each['name']}")
            part = count * Fraction(each["rate"]) / 1_000_000
            self.ok(part == Fraction(each["cost"]), f"{text(count)} {each['name']} x {each['rate']} / 10^6 = {text(part)}")
            cost += part
        return cost

    def cost(self, stated: Facts) -> Fraction:
        """The provider's cost that is passed through, by currency, each converted at its rate."""
        basis = next((each["measure"] for each in self.said["rows"]["checks"] if each["measure"] in COSTS), "effective_cost")
        whole = Fraction(0)
        by_currency: dict[str, Fraction] = {}
        for each in stated["parts"]:
            cost = Fraction(each["cost"])
            by_currency[each["name"]] = by_currency.get(each["name"], Fraction(0)) + cost
            whole += cost * Fraction(each.get("rate", 1))
            if "rate" in each:
                self.note(f"{each['cost']} {each['name']} x {each['rate']} = {text(cost * Fraction(each['rate']))}")
                self.converted(each)
        for name, cost in sorted(by_currency.items()):
            found = self.sums.get(f"{basis} {name}", cost)
            self.ok(found == cost, f"{basis}: {text(found)} {name}", f"{basis}: {text(found)} {name}, not {text(cost)}")
        self.ok(whole == Fraction(stated["value"]), f"cost {text(whole)}")
        return whole

    def converted(self, part: Facts) -> None:
        """The currency rate stands in rates.csv."""
        rows = csv.DictReader(io.StringIO(self.bundle.read("rates.csv").decode("utf-8-sig")))
        day = part["rate_of"].split()[0]
        found = any(
            row["date"].strip() == day
            and row["from"].strip() == part["name"]
            and Fraction(row["rate"]) == Fraction(part["rate"])
            for row in rows
        )
        self.ok(found, f"rate {part['rate']} for {part['name']} of {day} stands in rates.csv")

    def shared(self, gross: int, facts: Facts) -> int:
        """The team's part of a line that the platform shares; a tie is the team's."""
        if "platform_share" not in facts:
            return gross
        said = facts["platform_share"]
        if said["split"] == "pooled":
            self.note(f"the team's part {said['team']} is of the month's whole evaluation: taken as stated")
            return minor(said["team"], self.digits)
        share = Fraction(said["value"])
        part = split(gross, {"0 team": 1 - share, "1 platform": share})["0 team"]
        right = f"of {shown(gross, self.digits)} the platform bears {said['value']}: the team {shown(part, self.digits)}"
        self.ok(part == minor(said["team"], self.digits), right)
        return part

    def premium(self, facts: Facts) -> int:
        """The base of the line that it stands on, worked out from its rows, x what a lack of coverage or freshness costs."""
        below = facts["stands_on"]
        self.note(f"the premium stands on {below['value']}, {below['amount']}")
        amount, parts = self.of_usage("action", self.line["item"], below)
        self.ok(amount == minor(below["amount"], self.digits), f"{below['value']} is {below['amount']}")
        base = parts.get("base", 0)
        self.ok(base == minor(facts["base"], self.digits), f"its base is {shown(base, self.digits)}")
        coverage = self.coverage(facts["coverage"])
        factor = coverage - 1
        if self.line["kind"] == "freshness_premium":
            factor = self.freshness(facts["freshness"]) - coverage
        self.ok(factor == Fraction(facts["factor"]), f"factor {factor}", f"factor {factor}, not {facts['factor']}")
        exact = Fraction(shown(base, self.digits)) * factor
        return self.rounds(exact, facts, f"{shown(base, self.digits)} x {factor}")

    def coverage(self, said: Facts) -> Fraction:
        """1 at the target, the highest multiplier at the floor and below, linear between."""
        target, floor, highest = (Fraction(value(said, name)) for name in ("target", "floor", "max_multiplier"))
        measured = None if said["value"] == "not tracked" else Fraction(said["value"])
        if measured is None or measured <= floor:
            found = highest
        elif measured >= target:
            found = Fraction(1)
        else:
            found = Fraction(1 + (highest - 1) * (target - measured) / (target - floor))
        self.ok(found == Fraction(said["multiplier"]), f"coverage {said['value']}: multiplier {found}")
        return found

    def freshness(self, said: Facts) -> Fraction:
        months = said["stale_months"]["value"]
        step, cap = (Fraction(value(said, name)) for name in ("step", "cap"))
        found = Fraction(1 + min(step * months, cap))
        self.ok(found == Fraction(said["multiplier"]), f"{months} months of stale evaluations: multiplier {found}")
        return found

    def given_back(self, facts: Facts) -> int:
        """The coverage premiums of earlier months."""
        months = facts["gives_back"]["parts"]
        for each in months:
            self.note(f"{each['name']}: {each['value']} of premium")
        return -sum(minor(each["value"], self.digits) for each in months)

    def pool(self, facts: Facts) -> int:
        """A team's part of a pool, by the weights of all."""
        weights = {each["name"]: Fraction(each["weight"]) for each in facts["targets"]}
        parts = split(minor(facts["pool_amount"], self.digits), weights)
        for each in facts["targets"]:
            self.ok(parts[each["name"]] == minor(each["part"], self.digits), f"{each['name']}: {each['part']}")
        return parts.get(self.line["team"], 0)

    def idle(self, facts: Facts) -> int:
        """Reserved hours that nobody used, at the rate, by the hours that each used of the reservation."""
        reserved, used = Fraction(value(facts, "reserved")), Fraction(facts["used"])
        hours = max(Fraction(0), reserved - used)
        self.ok(self.sums.get("gpu_hours", used) == used, f"used {facts['used']}")
        self.ok(hours == Fraction(facts["idle"]), f"idle {text(reserved)} - {text(used)} = {text(hours)}")
        self.book(facts["price"])
        rate = facts["price"]["rate"]
        self.seen(rate, facts["price"]["where"], f"rate of {self.line['item']}")
        cost = self.rounds(hours * Fraction(rate), facts, f"{text(hours)} x {rate}")
        self.ok(cost == minor(facts["cost"], self.digits), f"cost {facts['cost']}")
        weights = {each["name"]: Fraction(each["hours"]) for each in facts["borne_by"]}
        return split(cost, weights).get(self.line["team"], 0)

    def draw(self, facts: Facts) -> int:
        """The smallest of its limits, rounded down; less where the fund had to serve others too."""
        charges, forecast = Fraction(facts["charges_before_draws"]), Fraction(value(facts, "forecast"))
        trigger = Fraction(value(facts, "trigger"))
        free = forecast if facts["excess"]["over"] == "forecast" else trigger * forecast
        self.ok(charges >= trigger * forecast, f"{text(charges)} reaches {text(trigger)} x {text(forecast)}")
        limits = [charges - free, Fraction(value(facts, "cap")) - Fraction(facts["cap"]["drawn_before"])]
        if "requested" in facts["request"]:
            limits.append(Fraction(facts["request"]["requested"]))
        allowed = min(limits) * 10**self.digits // 1
        self.ok(allowed == minor(facts["allowed"], self.digits), f"allowed {facts['allowed']}")
        granted, held = minor(facts["granted"], self.digits), minor(facts["fund"], self.digits)
        fits = granted == allowed if facts["limited_by"] != "fund" else granted <= min(allowed, held)
        self.ok(fits, f"granted {facts['granted']} of it, the fund holding {facts['fund']}")
        return -granted

    def repayment(self, facts: Facts) -> int:
        """One of the equal parts of what was lent."""
        lent, number = minor(facts["repays"]["value"], self.digits), facts["instalments"]
        drawn = sum(minor(each["value"], self.digits) for each in facts["repays"]["parts"])
        self.ok(lent == drawn, f"lent {facts['repays']['value']}")
        parts = split(lent, {str(each): Fraction(1) for each in range(number)}).values()
        listed = ", ".join(shown(part, self.digits) for part in parts)
        self.note(f"in {number} equal parts: {listed}")
        return min(parts, key=lambda part: abs(part - minor(self.line["amount"], self.digits)))

    def adjustment(self, facts: Facts) -> tuple[int, dict[str, int]]:
        """A share of what was left of the line that is credited, rounded once, split by what was left of its components."""
        share, left = Fraction(facts["share"]), minor(facts["left"]["value"], self.digits)
        weights = {each["name"]: Fraction(each["value"]) for each in facts["left"]["components"]}
        exact = Fraction(facts["left"]["value"]) * share
        amount = left if share == 1 else self.rounds(exact, facts, f"{facts['left']['value']} x {share}")
        sign = 1 if facts["of"]["does"].startswith("charges") else -1
        self.note(f"{facts['of']['value']}: {shown(amount, self.digits)} of the {facts['left']['value']} left")
        return sign * amount, {name: sign * part for name, part in split(amount, weights).items() if part}

    def compound(self, facts: Facts) -> tuple[int, dict[str, int]]:
        """What operators bear of the parts of lines that they operated: a share of each, a tie to the consumer."""
        share = Fraction(value(facts, "operator_share"))
        sign = -1 if self.line["kind"] == "compound_relief" else 1
        amount = 0
        parts: dict[str, int] = {}
        for each in facts["operated"]:
            borne = split(minor(each["value"], self.digits), {"0 consumer": 1 - share, "1 operator": share})["1 operator"]
            right = f"{each['operator']} bears {each['share']} of {each['value']} that it operated of {each['name']}"
            self.ok(borne == minor(each["share"], self.digits), right)
            amount += sign * borne
            for part in each["components"]:
                parts[part["name"]] = parts.get(part["name"], 0) + sign * minor(part["value"], self.digits)
        return amount, parts

    def correction(self, facts: Facts) -> tuple[int, dict[str, int]]:
        """The line of a closed month restated with the late rows, less what was posted for it, component by component."""
        posted = [minor(each["value"], self.digits) for each in facts["posted"]["parts"]]
        self.ok(sum(posted) == minor(facts["posted"]["value"], self.digits), f"posted before: {facts['posted']['value']}")
        restated = facts["restated"] if isinstance(facts["restated"], dict) else {"value": facts["restated"]}
        if "exact" in restated and "platform_share" not in restated:
            found = self.rounds(Fraction(restated["exact"]), restated, "restated on all of the month's usage")
            self.ok(found == minor(restated["value"], self.digits), f"restated {restated['value']}")
        parts = {}
        for each in facts["components"]:
            new, old = (minor(each[name], self.digits) for name in ("restated", "posted"))
            parts[each["name"]] = new - old
            self.ok(new - old == minor(each["value"], self.digits), f"{each['name']}: {each['restated']} - {each['posted']}")
        amount = minor(restated["value"], self.digits) - sum(posted)
        self.note(f"restated {restated['value']} - posted {facts['posted']['value']} = {shown(amount, self.digits)}")
        return amount, parts

    def worked_out(self) -> tuple[int, dict[str, int]] | None:
        """The amount and its components; None for a kind of line that this program does not know."""
        kind, facts = self.line["kind"], self.said["facts"]
        if self.line["service_month"] != self.line["posting_month"] and kind != "adjustment":
            return self.correction(facts) if "restated" in facts else None
        if kind in ("action", "gpu", "egress", "passthrough", "seat"):
            return self.of_usage(kind, self.line["item"], facts)
        if kind == "adjustment":
            return self.adjustment(facts)
        if kind in ("compound_relief", "compound_share"):
            return self.compound(facts)
        ways: dict[str, Callable[[Facts], int]] = {
            "coverage_premium": self.premium,
            "freshness_premium": self.premium,
            "coverage_credit": self.given_back,
            "shared": self.pool,
            "gpu_idle": self.idle,
            "buffer_draw": self.draw,
            "buffer_repayment": self.repayment,
        }
        if kind not in ways:
            return None
        amount = ways[kind](facts)
        return amount, dict.fromkeys(self.line["components"], amount)

    def compare(self) -> None:
        """What was worked out is what was charged."""
        found = self.worked_out()
        if found is None:
            self.ok(False, f"a line of kind {self.line['kind']} is not one that this program knows")
            return
        amount, parts = found
        stated = {name: minor(each, self.digits) for name, each in self.line["components"].items()}
        self.ok(sum(stated.values()) == minor(self.line["amount"], self.digits), "the components add up to the line")
        self.ok({name: part for name, part in parts.items() if part} == stated, "the components are those of the line")
        right = f"{self.line['line_id']} is {self.line['amount']} {self.line['currency']}"
        wrong = f"{right} on the document, and {shown(amount, self.digits)} when it is worked out"
        self.ok(amount == minor(self.line["amount"], self.digits), right, wrong)


def check(path: Path) -> Steps:
    """Look at the whole bundle; a file that cannot be read is a step that went wrong, and not the last."""
    steps = Steps()
    try:
        bundle = Bundle(path)
    except (OSError, zipfile.BadZipFile) as error:
        steps.check(False, f"{path.name} cannot be read as a bundle: {error}")
        return steps
    try:
        check_files(bundle, steps)
    except Exception as error:
        steps.check(False, f"the files cannot be checked: {type(error).__name__}: {error}")
    try:
        said = json.loads(bundle.read(EXPLANATION))
        check_events(bundle, said["line"], steps)
        Line(said, bundle, steps).compare()
    except Exception as error:
        steps.check(False, f"the line cannot be worked out: {type(error).__name__}: {error}")
    return steps


def main(words: list[str]) -> int:
    steps = check(Path(words[0]) if words else Path(__file__).resolve().parent)
    for mark, said in steps.said:
        print(f"{mark:5}  {said}")
    wrong = len(steps.wrong)
    print(f"\n{wrong} of {len(steps.said)} steps are WRONG" if wrong else "\nall of it holds: the line is what it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
