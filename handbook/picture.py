"""The picture of the imports: the layers of the house, drawn from the list that our tests hold it to."""

from __future__ import annotations

from html import escape
from typing import Final

from rules import rules

_HOUSE: Final = "test_architecture"
_BOX, _GAP, _HEIGHT, _ROW, _MARGIN = 88, 14, 30, 96, 16
_WIDEST: Final = 8

Edge = tuple[str, str]
Place = tuple[int, int]


def edges() -> set[Edge]:
    """Which part of the package imports which, as the sources have it, at whatever point in a module."""
    house = rules(_HOUSE)
    found: set[Edge] = set()
    for name, source in house.MODULES.items():
        imported = [full.split(".")[1] for full, typing in house.imports(source) if _is_ours(full) and not typing]
        found |= {(name.partition(".")[0], other) for other in imported}
    return {(one, other) for one, other in found if one != other and None not in {house.layer(one), house.layer(other)}}


def _is_ours(module: str) -> bool:
    return module.startswith("conformance.")


def essential(every: set[Edge]) -> set[Edge]:
    """The edges that no longer way stands for."""
    return {(start, end) for start, end in every if not _reaches(start, end, every - {(start, end)})}


def _reaches(start: str, end: str, every: set[Edge]) -> bool:
    seen, ahead = {start}, [start]
    while ahead:
        here = ahead.pop()
        following = {other for one, other in every if one == here} - seen
        if end in following:
            return True
        seen |= following
        ahead += following
    return False


def places() -> dict[str, Place]:
    """Where the box of each part stands: the layers from top to bottom, a long one in several rows."""
    found: dict[str, Place] = {}
    row = 0
    for parts in reversed(rules(_HOUSE).LAYERS):
        for start in range(0, len(parts), _WIDEST):
            for column, part in enumerate(parts[start : start + _WIDEST]):
                found[part] = _MARGIN + column * (_BOX + _GAP), _MARGIN + row * _ROW
            row += 1
    return found


def picture() -> str:
    """An SVG of the layers: every line is an import, and all of them point down or stay in their layer."""
    where = places()
    width = max(x for x, _ in where.values()) + _BOX + _MARGIN
    height = max(y for _, y in where.values()) + _HEIGHT + _MARGIN
    lines = [_line(where[start], where[end]) for start, end in sorted(essential(edges()))]
    boxes = [
        f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="4" fill="var(--md-default-bg-color, white)"'
        f' stroke="currentColor"/><text x="{x + _BOX // 2}" y="{y + 19}" text-anchor="middle">{escape(part)}</text>'
        for part, (x, y) in where.items()
    ]
    size = f'viewBox="0 0 {width} {height}" font-size="11" fill="currentColor"'
    said = 'role="img" aria-label="which part of the package imports which"'
    drawn = "".join(lines + boxes)
    return f'<div><svg xmlns="http://www.w3.org/2000/svg" {size} {said}>{drawn}</svg></div>'


def _line(start: Place, end: Place) -> str:
    """From the foot of one box to the head of another; within a row, from foot to foot in a bow."""
    (left, top), (right, bottom) = start, end
    one, two = left + _BOX // 2, right + _BOX // 2
    foot = top + _HEIGHT
    way = (
        f"M{one} {foot}L{two} {bottom}"
        if bottom > top
        else f"M{one} {foot}Q{(one + two) // 2} {foot + 34} {two} {foot}"
    )
    return f'<path d="{way}" fill="none" stroke="currentColor" opacity="0.35"/>'
