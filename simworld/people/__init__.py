"""The way to people: one contract for whoever answers, at a terminal or a web page, or from a script or a tape.

An agent asks by ``await seat.ask.person({"question": ..., "options": [...], "fallback": ...})``; the content is
described at ``person_request``. No answer by the deadline is an answer too: the fallback stands in, and the decision is
flagged. Who answers at a page finds the questions in the run's directory (``RunBox``), whatever process has asked.
"""

from simworld.people._box import FOLDER, Box, Closing, OpenQuestion, RunBox
from simworld.people._desk import PeopleDesk
from simworld.people._participants import Participant, Participants
from simworld.people._person import Form, Person, PersonReply, PersonRequest, Unanswered, person_request
from simworld.people._scripted import Scripted
from simworld.people._taped import AnswerTape, Match, Missing, Taped, TapedAnswer, taped_answers
from simworld.people._terminal import Terminal
from simworld.people._web import Web

__all__ = [
    "FOLDER",
    "AnswerTape",
    "Box",
    "Closing",
    "Form",
    "Match",
    "Missing",
    "OpenQuestion",
    "Participant",
    "Participants",
    "PeopleDesk",
    "Person",
    "PersonReply",
    "PersonRequest",
    "RunBox",
    "Scripted",
    "Taped",
    "TapedAnswer",
    "Terminal",
    "Unanswered",
    "Web",
    "person_request",
    "taped_answers",
]
