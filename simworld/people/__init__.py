"""The way to people: one contract for whoever answers a question, at a terminal or from a script.

An agent asks by ``await seat.ask.person({"question": ..., "options": [...], "fallback": ...})``; the content is
described at ``person_request``. No answer by the deadline is an answer too: the fallback stands in, and the decision is
flagged.
"""

from simworld.people._desk import PeopleDesk
from simworld.people._person import Person, PersonReply, PersonRequest, person_request
from simworld.people._scripted import Scripted
from simworld.people._terminal import Terminal

__all__ = ["PeopleDesk", "Person", "PersonReply", "PersonRequest", "Scripted", "Terminal", "person_request"]
