"""The page at which people answer: questions of a run that is going on, with the society beside them.

``simworld human RUN`` serves it. Questions and answers lie in the run's directory (``simworld.people.RunBox``), so the
page is a process of its own: it may be started before the first question or after it, and be started again.
"""

from simworld.console._hall import Hall, Refused
from simworld.console._rules import asks_people
from simworld.console._serve import is_loopback, serve

__all__ = ["Hall", "Refused", "asks_people", "is_loopback", "serve"]
