"""Dotted keys: how ``--set``, arms and sweeps reach into a scenario without changing the original."""

from __future__ import annotations

from simworld.scenario._explain import dotted, found
from simworld.scenario._yaml import Key

_MOST_PARTS = 32


def split(text: str) -> tuple[str, ...]:
    """The parts of a dotted key.

    Raises:
        ValueError: A part is empty, or there are too many.
    """
    parts = tuple(text.split("."))
    if not all(part and part == part.strip() for part in parts) or len(parts) > _MOST_PARTS:
        raise ValueError(f"found the key {found(text)}; accepted: a dotted key such as world.rate")
    return parts


def put(data: object, text: str, value: object) -> tuple[dict[str, object], Key]:
    """A copy of the data with one value set, and where that value lies.

    Mappings on the way are made where there are none. Entries of lists are named by their index; where a role has
    one group, ``roles.<role>.count`` and ``roles.<role>.0.count`` mean the same, however the file writes it.

    Raises:
        ValueError: The key is malformed, or leads into a value that has no such entry.
    """
    changed, key = _put(data, (), _joined(split(text)), value)
    assert isinstance(changed, dict)
    return changed, key


def _joined(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Arms and grids hold dotted keys themselves: what follows is one key."""
    if len(parts) > 2 and (parts[0] == "arms" or parts[:2] == ("sweep", "grid")):
        return (*parts[:2], ".".join(parts[2:]))
    return parts


def _put(node: object, at: Key, parts: tuple[str, ...], value: object) -> tuple[object, Key]:
    if not parts:
        return value, at
    is_role = len(at) == 2 and at[0] == "roles"
    if is_role and parts[0] == "0" and not isinstance(node, list):
        return _put(node, at, parts[1:], value)
    if is_role and not parts[0].isdecimal() and isinstance(node, list) and len(node) == 1:
        parts = ("0", *parts)
    part = parts[0]
    if isinstance(node, list):
        if not part.isdecimal() or len(part) > 9 or int(part) >= len(node):
            known = f"an index from 0 to {len(node) - 1}" if node else "nothing, the list is empty"
            raise ValueError(f"{dotted((*at, part))}: unknown entry of a list; accepted: {known}")
        index = int(part)
        below, key = _put(node[index], (*at, index), parts[1:], value)
        return [*node[:index], below, *node[index + 1 :]], key
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise ValueError(  # noqa: TRY004  what the user wrote is wrong, not how this is called
            f"{dotted((*at, part))}: found {found(node)} at {dotted(at)}; accepted: a mapping there"
        )
    below, key = _put(node.get(part), (*at, part), parts[1:], value)
    return {**node, part: below}, key
