"""What a kernel tells whoever records it: probes stand beside the agenda and never change an episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from simworld.kernel._asks import Answer, Ask
from simworld.kernel._fields import Array, Members
from simworld.kernel._world import Acts


class Recorder(Protocol):
    """Receives everything an episode determines. Arrays must be copied before the call returns."""

    def joined(self, role: str, tick: int, members: Members, groups: Members, traits: Mapping[str, Array]) -> None:
        """Members took their seats; groups are their places in the role's seating."""

    def left(self, role: str, tick: int, members: Members) -> None:
        """Members left for good."""

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Members decided; the world has not stepped yet."""

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Rewards for the members' latest decisions, or for those named."""

    def closed(self, role: str, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:
        """Members' records end: ``terminated``, ``truncated`` or ``left``, with a last observation."""

    def sampled(self, tick: int, values: Mapping[str, float]) -> None:
        """The world emitted measures."""

    def asked(self, tick: int, ask: Ask, answer: Answer | None, since: int) -> None:
        """A decision used an answer at this tick; None if the decision was discarded before it came."""

    def faulted(self, tick: int, role: str, member: int, decision: int, fault: tuple[str, str]) -> None:
        """A decision was flagged or discarded: (kind, detail)."""

    def linked(self, tick: int, priority: int, link: bytes) -> None:
        """A moment is over; its link extends the hash chain."""


class Silent:
    """A recorder that takes note of nothing; whoever cares for one thing overrides that."""

    def joined(self, role: str, tick: int, members: Members, groups: Members, traits: Mapping[str, Array]) -> None:
        """Nothing."""

    def left(self, role: str, tick: int, members: Members) -> None:
        """Nothing."""

    def decided(self, role: str, tick: int, acts: Acts) -> None:
        """Nothing."""

    def rewarded(self, role: str, members: Members, amounts: Array, decisions: Members | None) -> None:
        """Nothing."""

    def closed(self, role: str, tick: int, members: Members, seen: Mapping[str, Array], end: str) -> None:
        """Nothing."""

    def sampled(self, tick: int, values: Mapping[str, float]) -> None:
        """Nothing."""

    def asked(self, tick: int, ask: Ask, answer: Answer | None, since: int) -> None:
        """Nothing."""

    def faulted(self, tick: int, role: str, member: int, decision: int, fault: tuple[str, str]) -> None:
        """Nothing."""

    def linked(self, tick: int, priority: int, link: bytes) -> None:
        """Nothing."""
