"""The pages themselves: templates and two files beside them, and nothing from anywhere else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.console._rules import FACTS, Rules

if TYPE_CHECKING:
    import jinja2

_FOLDER = Path(__file__).parent / "page"


def consent_page(rules: Rules) -> str:
    """What people read before they take part."""
    return _page("consent.html.j2", rules=rules, facts=FACTS)


def questions_page(rules: Rules, who: str) -> str:
    """The page at which people answer."""
    return _page("questions.html.j2", rules=rules, who=who)


def message_page(title: str, *paragraphs: str) -> str:
    """A page that says one thing."""
    return _page("message.html.j2", title=title, paragraphs=paragraphs)


@cache
def style() -> str:
    """How they look."""
    return (_FOLDER / "page.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """What the page of questions does."""
    return (_FOLDER / "page.js").read_text(encoding="utf-8")


def _page(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415  only where pages are served

    loader = jinja2.FileSystemLoader(_FOLDER)
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
