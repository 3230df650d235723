"""The line to one model: one call, again and again while it fails for reasons that may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simworld.errors import ModelError, StoppedError
from simworld.gateway._meter import Spent, Tab
from simworld.gateway._redact import Redactor
from simworld.gateway._request import Client, Completion, ModelFailure, ModelSpec, Request

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_LONGEST_ASKED = 900.0
"""Seconds that a server may ask us to wait."""
_FIRST_CALL = 5.0
"""Seconds more for a model's first call: libraries load what they need when they need it."""
_LOOK = 0.1
"""Seconds between looks whether the run was asked to stop."""
_BYTES = 3
"""About so many make a token, rather fewer than more: what a prompt may cost is set aside before it is sent."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How models are asked: what cannot change an answer."""

    limit: int = 64
    """Most calls under way at once."""
    timeout: float = 60.0
    """Seconds that one call may take."""
    retries: int = 4
    """Further attempts after a call that failed for a reason that may pass."""


class Line:
    """Calls one model, with as much patience as it has earned."""

    def __init__(self, spec: ModelSpec, client: Client, manner: Manner) -> None:
        self.spec, self.client, self._manner = spec, client, manner
        self._down = False
        """Whether it could not be reached the last time: then it is not worth patience until it answers again."""
        self._warm = False
        self._answered = False
        """Whether it ever did: one that never has may be one that does not exist."""

    def most(self, request: Request) -> Spent:
        """What one call may cost at most: a rough count of its prompt, and the longest answer."""
        prompt = sum(len(m["content"].encode(errors="replace")) for m in request.messages) // _BYTES
        dear = self.client.prices or (0.0, 0.0)
        return Spent(0, prompt + self.spec.max_tokens, prompt * dear[0] + self.spec.max_tokens * dear[1])

    async def call(
        self, request: Request, slots: asyncio.Semaphore, stopping: Callable[[], bool], tab: Tab
    ) -> tuple[Completion | ModelFailure, int]:
        """What came of it at last, and how many attempts that took.

        Raises:
            ModelError: The provider rejects whatever is sent.
            StoppedError: The run was asked to stop before anything came.
            BudgetError: The budget does not allow another attempt.
        """
        # Spread by the ask's own seed: all that were turned away together must not come back together.
        spread = 0.75 + (request.seed % 1000) / 2000
        attempt = 0
        while True:
            attempt += 1
            tab.open(self.most(request))
            async with slots:
                if stopping():
                    raise StoppedError(f"model {self.spec.model!r} was not asked any more")
                outcome = await self._one(request, tab)
            if isinstance(outcome, Completion):
                self._down, self._answered = False, True
                return outcome, attempt
            self._check(outcome)
            absent = outcome.kind in {"unreachable", "timeout"}
            patience = 1 if absent and self._down else 1 + self._manner.retries
            # Whatever else it says, whoever answers is there.
            self._down = self._down and absent
            if not outcome.retry or attempt >= patience:
                self._down = absent
                return outcome, attempt
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * spread
            await self._wait(wait if outcome.after is None else min(outcome.after, _LONGEST_ASKED), stopping)

    async def _one(self, request: Request, tab: Tab) -> Completion | ModelFailure:
        tab.fly()
        try:
            async with asyncio.timeout(self._manner.timeout + (0 if self._warm else _FIRST_CALL)):
                completion = await self.client.complete(request)
        except ModelFailure as failure:
            if failure.kind == "timeout":
                tab.land(None)  # it may be answering still, at our cost
            else:
                tab.miss()
            return failure
        except TimeoutError:
            tab.land(None)
            return ModelFailure("timeout", f"no answer within {self._manner.timeout:g} s")
        except Exception as error:  # noqa: BLE001  whatever a server sends, it must not end an episode
            tab.miss()
            return ModelFailure("server_error", f"not a chat completion ({type(error).__name__})")
        finally:
            self._warm = True
        tab.land(Spent(0, completion.prompt_tokens + completion.completion_tokens, completion.usd or 0.0))
        return completion

    def _check(self, failure: ModelFailure) -> None:
        """Raise ModelError for what no other ask would change."""
        if failure.fatal == "always" or (failure.fatal == "at_first" and not self._answered):
            raise ModelError(f"model {self.spec.model!r}: {failure.detail}")

    async def _wait(self, seconds: float, stopping: Callable[[], bool]) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            if stopping():
                raise StoppedError(f"model {self.spec.model!r} was not asked again")
            await asyncio.sleep(min(_LOOK, left))


def open_line(spec: ModelSpec, keys: Mapping[str, str], manner: Manner, redact: Redactor) -> Line:
    """The line to a model.

    Raises:
        ModelError: Its key is missing, or nobody knows its provider.
    """
    # Imported only when used: both bring a network library, and litellm takes seconds.
    if spec.client == "lean" or (spec.client == "auto" and spec.base_url):
        from simworld.gateway._lean import LeanClient  # noqa: PLC0415

        return Line(spec, LeanClient(spec, keys, manner.limit, redact), manner)
    from simworld.gateway._litellm import LitellmClient  # noqa: PLC0415

    return Line(spec, LitellmClient(spec, keys, manner.timeout, redact), manner)
