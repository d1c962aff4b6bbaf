"""Compiled rules match what `label.own` matches, and thousands of them over many groups take no time to speak of."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.core.classify import Rules, glob_matches, met
from finledger.core.label import SETTABLE, own
from finledger.core.model import Organisation, Rule, UsageGroup
from finledger.core.period import Interval
from finledger.core.usage import GROUP_KEYS

VALUES = ("", "a", "ab", "abc", "b*c", "a.c", "ünï", "ab\nc")
GLOBS = ("", "*", "a", "a*", "*c", "*b*", "a?c", "?", "b*c", "a.c", "**", "ü*ï")
TAGS = ("", json.dumps(["a"]), json.dumps(["x", "abc"]), json.dumps([""]), json.dumps([]), json.dumps(["b*c", "ünï"]))
DAY = date(2026, 7, 15)

rules = st.lists(
    st.builds(
        lambda when, set, start, until: (when, set, start, until),
        st.dictionaries(st.sampled_from(["user", "tag", "model"]), st.lists(st.sampled_from(GLOBS), min_size=1).map(tuple)),
        st.dictionaries(
            st.sampled_from(["team", "feature", "model", "action"]), st.sampled_from(["one", "two"]), min_size=1
        ),
        st.sampled_from([None, date(2026, 7, 1), DAY, date(2026, 7, 16)]),
        st.sampled_from([None, date(2026, 7, 15), date(2026, 7, 16)]),
    ),
    max_size=8,
).map(lambda listed: tuple(Rule(number, *parts) for number, parts in enumerate(listed, 1)))


def plainly(
    rules: tuple[Rule, ...], row: dict[str, str], given: dict[str, str]
) -> tuple[dict[str, str], list[tuple[str, int]]]:
    """The rule as it is told: rule by rule, field by field, glob by glob."""
    fields, used = dict(given), []
    for rule in rules:
        in_force = (rule.start is None or rule.start <= DAY) and (rule.until is None or rule.until > DAY)
        if in_force and all(
            any(_meets(glob, text) for glob in globs for text in _texts(name, row[name]))
            for name, globs in rule.when.items()
        ):
            for name in rule.set:
                if not fields[name]:
                    fields[name] = rule.set[name]
                    used.append((name, rule.number))
    return fields, used


def _texts(name: str, text: str) -> list[str]:
    return json.loads(text) if name == "tag" and text else [text]


def _meets(glob: str, text: str) -> bool:
    pattern = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in glob)
    return re.fullmatch(pattern, text, re.DOTALL) is not None if text else glob == ""


def organisation(rules: tuple[Rule, ...]) -> Organisation:
    return Organisation("Books", "USD", "UTC", "platform", "cc-1", {}, rules=rules)


def group(user: str, tag: str, model: str) -> UsageGroup:
    keys = {**dict.fromkeys(GROUP_KEYS, ""), "model": model}
    return UsageGroup(0, keys, {"user": user, "tag": tag, "operator_team": ""}, {})


@settings(max_examples=300)
@given(rules, st.sampled_from(VALUES), st.sampled_from(TAGS), st.sampled_from(VALUES))
def test_completed__is_what_the_rules_say_one_by_one(listed: tuple[Rule, ...], user: str, tag: str, model: str) -> None:
    row = group(user, tag, model)
    values = {**row.keys, **row.labels}
    given_fields = {name: row.keys[name] for name in SETTABLE}
    expected, expected_rules = plainly(listed, values, given_fields)
    fields, used = Rules(listed).completed(given_fields, values.__getitem__, DAY)
    assert (fields, used) == (expected, expected_rules)
    (owned,) = own([row], organisation(listed), [Interval(0, datetime(2026, 7, 15, tzinfo=UTC), DAY)]).rows
    assert owned.rules == tuple(used)
    assert (owned.feature, owned.action, owned.model) == (fields["feature"], fields["action"], fields["model"])


@given(st.sampled_from(GLOBS), st.sampled_from(VALUES))
def test_met__names_the_glob_of_every_rule_that_matches(glob: str, text: str) -> None:
    rule = Rule(1, {"user": ("never", glob)}, {"team": "one"})
    matches = bool(Rules([rule]).matching(lambda name: text))
    assert matches == glob_matches(glob, text)
    assert met(rule, lambda name: text) == ((("user", glob, text),) if matches else ())


def test_many_rules__are_no_product_of_rules_and_groups() -> None:
    """2,000 rules, 20,000 groups with a key of their own: 40 million pairs, of which none is looked at one by one."""
    listed = [
        Rule(number, {"api_key_alias": (f"key-{number}-*", f"old-{number}"), "user": ("svc-*",)}, {"team": f"t{number}"})
        for number in range(1, 2001)
    ]
    started = time.process_time()
    compiled = Rules(listed)
    for number in range(20_000):
        row = {"api_key_alias": f"key-{number % 2500}-{number}", "user": "svc-a", "team": ""}
        _, used = compiled.completed({"team": ""}, row.__getitem__, DAY)
        expected = number % 2500
        assert used == ([("team", expected)] if 1 <= expected <= 2000 else [])
    assert time.process_time() - started < 10, "one by one it takes minutes; it takes about half a second"


def test_own__takes_many_rules_over_many_groups() -> None:
    """A month of 20,000 groups and 2,000 rules is labelled in seconds."""
    listed = tuple(Rule(number, {"user": (f"key-{number}-*",)}, {"feature": f"f{number}"}) for number in range(1, 2001))
    groups = [group(f"key-{number % 2000 + 1}-{number}", "", "") for number in range(20_000)]
    started = time.process_time()
    owned = own(groups, organisation(listed), [Interval(0, datetime(2026, 7, 15, tzinfo=UTC), DAY)]).rows
    assert [each.feature for each in owned[:2]] == ["f1", "f2"]
    assert time.process_time() - started < 15, "rule by rule it takes more than a minute"
