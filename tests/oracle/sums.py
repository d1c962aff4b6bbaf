"""The arithmetic of the second reading: rounding, cutting, sharing out and showing, on fractions and whole numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K", str, tuple[str, str])


def rounded(exact: Fraction, digits: int, mode: str) -> int:
    """Minor units; exactly half of one goes away from zero, or to the even neighbour (rule M2)."""
    scaled = abs(exact) * 10**digits
    whole, rest = divmod(scaled, 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (mode == "half_up" or whole % 2 == 1))
    size = int(whole) + (1 if up else 0)
    return size if exact >= 0 else -size


def floored(exact: Fraction, digits: int) -> int:
    """Minor units, the rest cut off downwards."""
    return int((exact * 10**digits) // 1)


def shared_out(whole: int, weights: Mapping[K, Fraction], residual: K) -> dict[K, int]:
    """Rule M3: the largest remainder on absolute values. Without a weight all of it is the residual's."""
    # the order of components is base, buffer, overhead, registry: that of their names, as for teams
    names = sorted(weights)
    total = sum((abs(weights[name]) for name in names), Fraction(0))
    if total == 0:
        return {residual: whole}
    sign = -1 if whole < 0 else 1
    exact = {name: abs(whole) * abs(weights[name]) / total for name in names}
    parts = {name: int(exact[name] // 1) for name in names}
    left = abs(whole) - sum(parts.values())
    for name in sorted(names, key=lambda name: (parts[name] - exact[name], name))[:left]:
        parts[name] += 1
    return {name: sign * part for name, part in parts.items()}


def text_of(minor: int, digits: int) -> str:
    """An amount as it is written: 1234 cents are 12.34."""
    sign, size = ("-" if minor < 0 else ""), abs(minor)
    if digits == 0:
        return f"{sign}{size}"
    return f"{sign}{size // 10**digits}.{size % 10**digits:0{digits}d}"


def significant(exact: Fraction, count: int) -> Fraction:
    """The value cut to so many significant digits, half away from zero: compared as a value, not as text."""
    if exact == 0:
        return exact
    places = 0
    while abs(exact) * Fraction(10) ** places >= 10**count:
        places -= 1
    while abs(exact) * Fraction(10) ** places < 10 ** (count - 1):
        places += 1
    step = Fraction(10) ** places
    size = Fraction(rounded(abs(exact) * step, 0, "half_up")) / step
    return size if exact > 0 else -size


def share_text(part: int, whole: int) -> str:
    """A share to six places, half up."""
    return text_of(rounded(Fraction(part, whole), 6, "half_up"), 6)
