"""The kernel: one discrete-event loop that hosts every world and every mind. Standard library and numpy only."""

from simworld.kernel._agenda import Agenda, Payload
from simworld.kernel._asks import MENDED, Answer, Ask, AskKey, Broker, Gateway, Json, answer_digest
from simworld.kernel._chance import Chance
from simworld.kernel._fields import Array, Field, Members, Role, is_unicode
from simworld.kernel._individuals import Individuals
from simworld.kernel._interventions import Intervention
from simworld.kernel._kernel import Kernel, Outer
from simworld.kernel._minds import Action, Agent, Asking, Cohort, Rounds, Seat, Seats, Value
from simworld.kernel._recorder import Recorder, Silent
from simworld.kernel._roster import Group
from simworld.kernel._tape import PARTICIPANT, REDACTED, TAKEN, Keep, Tape, TwinTape, read_tape, redact_tape
from simworld.kernel._words import lasting, said_by, shortened
from simworld.kernel._world import Acts, Moment, Turn, World

__all__ = [
    "MENDED",
    "PARTICIPANT",
    "REDACTED",
    "TAKEN",
    "Action",
    "Acts",
    "Agenda",
    "Agent",
    "Answer",
    "Array",
    "Ask",
    "AskKey",
    "Asking",
    "Broker",
    "Chance",
    "Cohort",
    "Field",
    "Gateway",
    "Group",
    "Individuals",
    "Intervention",
    "Json",
    "Keep",
    "Kernel",
    "Members",
    "Moment",
    "Outer",
    "Payload",
    "Recorder",
    "Role",
    "Rounds",
    "Seat",
    "Seats",
    "Silent",
    "Tape",
    "Turn",
    "TwinTape",
    "Value",
    "World",
    "answer_digest",
    "is_unicode",
    "lasting",
    "read_tape",
    "redact_tape",
    "said_by",
    "shortened",
]
