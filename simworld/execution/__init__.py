"""Execution: episodes become runs, in this process or in many, and runs are replayed."""

from simworld.execution._board import Board, Slot, Wish
from simworld.execution._build import build_interventions, build_society
from simworld.execution._control import ask_of_run
from simworld.execution._episode import read_tape_of, run_episode
from simworld.execution._follow import follow
from simworld.execution._fork import Change, forked
from simworld.execution._outside import Outside
from simworld.execution._plan import check, prompts_of
from simworld.execution._ray import Cluster, connected
from simworld.execution._replay import EpisodeReplay, Replay, replay_run
from simworld.execution._reuse import known_episodes, missing_bases
from simworld.execution._run import Order, Outcome, execute
from simworld.execution._sources import keep_sources, sources_of
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._watch import Plan, Unwatched, Watcher

__all__ = [
    "Board",
    "Change",
    "Cluster",
    "EpisodeReplay",
    "EpisodeResult",
    "EpisodeSpec",
    "Order",
    "Outcome",
    "Outside",
    "Plan",
    "Replay",
    "Slot",
    "Unwatched",
    "Watcher",
    "Wish",
    "ask_of_run",
    "build_interventions",
    "build_society",
    "check",
    "connected",
    "execute",
    "follow",
    "forked",
    "keep_sources",
    "known_episodes",
    "missing_bases",
    "prompts_of",
    "read_tape_of",
    "replay_run",
    "run_episode",
    "sources_of",
]
