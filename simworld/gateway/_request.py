"""What is asked of a model and what comes back: values, and the ways in which it may fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from simworld.kernel import Json

Message: TypeAlias = Mapping[str, str]
"""One message of a conversation: ``role`` (system, user or assistant) and ``content``."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, and how it is sampled: what a scenario says under ``models``."""

    model: str
    """Name with its provider, as litellm writes it (``openai/gpt-4o-mini``), or a stand-in's."""
    temperature: float | None = None
    """Sampling temperature; the provider's own default if it is left out."""
    max_tokens: int = 500
    """Most tokens of an answer."""
    base_url: str = ""
    """Address of an OpenAI-compatible server, up to and with ``/v1``; empty: the provider's own."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty: the provider's usual one."""
    json: Literal["schema", "object", "none"] = "schema"
    """How the answer's form is enforced: by its JSON schema, as any JSON object, or by the prompt alone."""
    client: Literal["auto", "lean", "litellm"] = "auto"
    """Who speaks to the server; auto: lean where there is a ``base_url``, else litellm."""
    usd_per_million_input: float | None = None
    """Price of a million prompt tokens; left out: what litellm knows."""
    usd_per_million_output: float | None = None
    """Price of a million answer tokens."""

    @property
    def stand_in(self) -> bool:
        """Whether it is no language model at all."""
        return self.model.startswith("stand-in/")


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model."""

    messages: Sequence[Message]
    schema: Mapping[str, Json] | None = None
    """JSON schema of the answer; None for free text."""
    seed: int = 0
    """Seed of its sampling, for models that take one: fixed by the episode's seed and the place of the ask."""

    def plus(self, *messages: Message) -> Request:
        """The conversation continued, with another seed."""
        return Request([*self.messages, *messages], self.schema, self.seed + 1)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said."""

    text: str
    model: str
    """The name that the provider gave."""
    fingerprint: str = ""
    """The provider's own mark of the configuration that answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    """What it cost; None if nobody knows."""
    finish: str = "stop"
    """Why it ended: ``stop``, ``length``, ``content_filter``, ..."""
    refusal: str = ""
    """The provider's own word that the model refuses."""


class ModelFailure(Exception):  # noqa: N818  one call that failed; whoever calls decides whether it is an error
    """A call that brought no completion."""

    def __init__(
        self,
        kind: str,
        detail: str,
        retry: bool = True,
        after: float | None = None,
        fatal: Literal["no", "at_first", "always"] = "no",
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        """``timeout``, ``unreachable``, ``rate_limited``, ``server_error``, ``bad_request`` or ``rejected``."""
        self.detail = detail
        self.retry = retry
        """Whether another attempt may succeed."""
        self.after = after
        """Seconds that the server asks us to wait."""
        self.fatal = fatal
        """Whether no other ask would fare better: always, or as long as the model has never answered."""


class Client(Protocol):
    """Speaks to one model. Implementations: litellm, and a lean one of our own; the stand-in needs none."""

    @property
    def prices(self) -> tuple[float, float] | None:
        """USD of a prompt token and of an answer token; None if nobody knows."""

    async def complete(self, request: Request) -> Completion:
        """Make one call, without retries. Raises ModelFailure."""

    async def close(self) -> None:
        """Let go of connections."""
