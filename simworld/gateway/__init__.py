"""The way to models: one protocol for any provider, an OpenAI-compatible server, or a stand-in that needs neither.

An agent asks by ``await seat.ask.model({...})``; the content is described at ``request_of``. Answers are checked
against the ask's JSON schema; a bad one gets one repair prompt, then the ask's own fallback stands in, and the decision
is flagged. Nothing here knows a world.
"""

from simworld.gateway._conversation import ask_seed, converse, request_of
from simworld.gateway._desk import Desk, ModelGateway
from simworld.gateway._line import Manner
from simworld.gateway._meter import Budget, Meter, OwnMeter, Spent, check_budget
from simworld.gateway._reading import AnswerError, read_answer
from simworld.gateway._redact import Redactor
from simworld.gateway._request import Client, Completion, Message, ModelFailure, ModelSpec, Request
from simworld.gateway._schema import check_schema
from simworld.gateway._stand_in import NAME as STAND_IN
from simworld.gateway._stand_in import NAMES as STAND_INS
from simworld.gateway._stand_in import answer_text

__all__ = [
    "STAND_IN",
    "STAND_INS",
    "AnswerError",
    "Budget",
    "Client",
    "Completion",
    "Desk",
    "Manner",
    "Message",
    "Meter",
    "ModelFailure",
    "ModelGateway",
    "ModelSpec",
    "OwnMeter",
    "Redactor",
    "Request",
    "Spent",
    "answer_text",
    "ask_seed",
    "check_budget",
    "check_schema",
    "converse",
    "read_answer",
    "request_of",
]
