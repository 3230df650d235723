"""What a scenario file may say of whoever answers questions to people."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, JsonValue

from simworld.scenario._closed import CLOSED


class ScriptedBlock(BaseModel):
    """Nobody: answers that are written down."""

    model_config = CLOSED

    kind: Literal["scripted"]
    """Answers from a list."""
    answers: list[JsonValue]
    """The n-th decision of each seat gets the n-th answer, over and over; null is no answer in time."""


class TerminalBlock(BaseModel):
    """A person at the terminal from which the run was started."""

    model_config = CLOSED

    kind: Literal["terminal"]
    """Asks on standard error and reads standard input."""


class WebBlock(BaseModel):
    """People at a web page, which ``simworld human`` serves: whoever takes a question up first answers it."""

    model_config = CLOSED

    kind: Literal["web"]
    """Asks on the run's page."""
    consent: str = ""
    """What people agree to before they take part; a text that says what is recorded if it is left out."""
    society: bool = True
    """Whether the page shows the society beside the questions: what the scenario measures and watches."""


class TapeBlock(BaseModel):
    """What was answered in an earlier run, in the place of whoever would answer now."""

    model_config = CLOSED

    kind: Literal["tape"]
    """Answers from the tape of a run."""
    run: Annotated[str, Field(min_length=1)]
    """Directory of the run, from where the command is called or from the scenario's folder."""
    match: Literal["question", "seat"] = "question"
    """By what an answer is found: the same question, or the same seat's n-th decision."""
    missing: Literal["fallback", "stop"] = "fallback"
    """What becomes of a question without an answer there: its fallback stands in, or its episode fails."""


PersonBlock: TypeAlias = Annotated[ScriptedBlock | TapeBlock | TerminalBlock | WebBlock, Field(discriminator="kind")]
"""Whoever answers questions to people."""
