"""The way to people: one contract for whoever answers a question, at a terminal, at a web page, or from a script.

An agent asks by ``await seat.ask.person({"question": ..., "options": [...], "fallback": ...})``; the content is
described at ``person_request``. No answer by the deadline is an answer too: the fallback stands in, and the decision is
flagged. Who answers at a page finds the questions in the run's directory (``RunBox``), whatever process has asked.
"""

from simworld.people._box import FOLDER, Box, Closing, OpenQuestion, RunBox
from simworld.people._desk import PeopleDesk
from simworld.people._participants import Participant, Participants
from simworld.people._person import Form, Person, PersonReply, PersonRequest, person_request
from simworld.people._scripted import Scripted
from simworld.people._terminal import Terminal
from simworld.people._web import Web

__all__ = [
    "FOLDER",
    "Box",
    "Closing",
    "Form",
    "OpenQuestion",
    "Participant",
    "Participants",
    "PeopleDesk",
    "Person",
    "PersonReply",
    "PersonRequest",
    "RunBox",
    "Scripted",
    "Terminal",
    "Web",
    "person_request",
]
