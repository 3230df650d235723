"""Execution: episodes become runs, in this process or in many, and runs are replayed."""

from simworld.execution._board import Board, Slot, Wish, waited
from simworld.execution._build import build_interventions, build_society
from simworld.execution._control import Posted, ask_of_run, clear_wishes, read_posted, wish_of
from simworld.execution._directory import begun, earlier_runs, make_run, now
from simworld.execution._episode import read_tape_of, run_episode
from simworld.execution._follow import follow
from simworld.execution._fork import Change, forked
from simworld.execution._outside import Outside
from simworld.execution._plan import check, prompts_of, specs_of_run
from simworld.execution._probes import Probes, build_probes
from simworld.execution._ray import Cluster, connected
from simworld.execution._replay import EpisodeReplay, Replay, replay_run
from simworld.execution._reuse import known_episodes, missing_bases
from simworld.execution._run import Order, Outcome, execute
from simworld.execution._sources import sources_of
from simworld.execution._spec import EpisodeResult, EpisodeSpec
from simworld.execution._stops import Stops
from simworld.execution._watch import Plan, Unwatched, Watcher
from simworld.execution._withdrawal import Withdrawal, participants_on_tape, withdraw

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
    "Posted",
    "Probes",
    "Replay",
    "Slot",
    "Stops",
    "Unwatched",
    "Watcher",
    "Wish",
    "Withdrawal",
    "ask_of_run",
    "begun",
    "build_interventions",
    "build_probes",
    "build_society",
    "check",
    "clear_wishes",
    "connected",
    "earlier_runs",
    "execute",
    "follow",
    "forked",
    "known_episodes",
    "make_run",
    "missing_bases",
    "now",
    "participants_on_tape",
    "prompts_of",
    "read_posted",
    "read_tape_of",
    "replay_run",
    "run_episode",
    "sources_of",
    "specs_of_run",
    "waited",
    "wish_of",
    "withdraw",
]
