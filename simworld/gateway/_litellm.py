"""Any provider, through litellm: imported only when a scenario names one."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from simworld.errors import ModelError
from simworld.gateway._lean import completion_of, failure_of, key_of, own_prices, response_format
from simworld.gateway._redact import Redactor
from simworld.gateway._request import Completion, ModelFailure, ModelSpec, Request

_QUIET = {
    # Without these its import looks for price lists and tokenisers on the network.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HF_HUB_OFFLINE": "1",
}
_NO_KEY = re.compile(r"(missing|no|invalid|incorrect|without)\b.{0,40}\b(credentials?|api[ _-]?key)", re.IGNORECASE)
_SHOWN = 300


class LitellmClient:
    """Speaks to one model through litellm."""

    def __init__(self, spec: ModelSpec, keys: Mapping[str, str], timeout: float, redact: Redactor) -> None:
        self._spec, self._timeout, self._redact = spec, timeout, redact
        self._litellm = load_litellm()
        self._key = key_of(spec, keys) if spec.api_key_env or spec.base_url else self._own_key(keys)
        self.prices = own_prices(spec) or self._known_prices()

    async def complete(self, request: Request) -> Completion:
        """Make one call. Raises ModelFailure."""
        litellm, spec = self._litellm, self._spec
        given: dict[str, Any] = {
            "model": spec.model,
            "messages": list(request.messages),
            "max_tokens": spec.max_tokens,
            "seed": request.seed,
            "timeout": self._timeout,
            # Retries are the desk's: the SDK's own two would multiply with them.
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
        }
        optional = {
            "temperature": spec.temperature,
            "response_format": response_format(spec, request),
            "api_base": spec.base_url or None,
            "api_key": self._key or ("none" if spec.base_url else None),
        }
        given |= {name: value for name, value in optional.items() if value is not None}
        try:
            response = await litellm.acompletion(**given)
            data = response.model_dump()
        except Exception as error:  # noqa: BLE001  whatever it is, it is a call that failed, and recorded as one
            raise self._failure(error) from None
        try:
            # What is not everybody's, litellm puts aside.
            message = data["choices"][0]["message"]
            message["refusal"] = (message.get("provider_specific_fields") or {}).get("refusal")
            completion = completion_of(data, spec, request)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            why = self._redact(f"{type(error).__name__}: {error}")
            raise ModelFailure("server_error", f"not a chat completion: {why[:_SHOWN]}") from None
        usd = completion.usd
        if usd is None and self.prices is not None:
            known = response._hidden_params.get("response_cost")
            own = completion.prompt_tokens * self.prices[0] + completion.completion_tokens * self.prices[1]
            usd = own if known is None else float(known)
        return dataclasses.replace(completion, text=self._redact(completion.text), usd=usd)

    async def close(self) -> None:
        """Close the connections that litellm keeps."""
        close = getattr(self._litellm, "close_litellm_async_clients", None)
        if close is not None:
            await close()

    def _own_key(self, keys: Mapping[str, str]) -> str:
        """Nothing, for litellm finds a provider's usual key by itself. Raises ModelError if there is no such key."""
        model, litellm = self._spec.model, self._litellm
        try:
            litellm.get_llm_provider(model)
        except Exception as error:
            raise ModelError(f"model {model!r}: litellm knows no such provider; accepted: provider/name") from error
        missing = litellm.validate_environment(model)["missing_keys"]
        # Of others, such as regions and projects, there may be files that hold them.
        if missing and all(name.endswith("_API_KEY") and not keys.get(name) for name in missing):
            names = " or ".join(missing)
            raise ModelError(f"model {model!r}: the environment variable {names} with its key is not set")
        return ""

    def _known_prices(self) -> tuple[float, float] | None:
        try:
            known = self._litellm.get_model_info(self._spec.model)
            return float(known["input_cost_per_token"]), float(known["output_cost_per_token"])
        except Exception:  # noqa: BLE001  litellm raises a bare Exception for models that it has no price of
            return None

    def _failure(self, error: Exception) -> ModelFailure:
        """What one of litellm's exceptions means for us."""
        litellm = self._litellm
        detail = " ".join(self._redact(str(error)).split())[:_SHOWN]
        if isinstance(error, litellm.Timeout):
            return ModelFailure("timeout", detail)
        if isinstance(error, litellm.AuthenticationError):
            return failure_of(401, detail, {})
        if _NO_KEY.search(detail):
            return ModelFailure("rejected", detail, retry=False, fatal="always")
        # Offline, litellm calls a refused connection a server error.
        refused = isinstance(error, litellm.InternalServerError) and "onnection" in detail
        if refused or isinstance(error, litellm.APIConnectionError):
            return ModelFailure("unreachable", detail)
        status = getattr(error, "status_code", None)
        if not isinstance(status, int):
            return ModelFailure("server_error", f"{type(error).__name__}: {detail}", retry=False)
        return failure_of(status, detail, getattr(error, "litellm_response_headers", None) or {})


def load_litellm() -> ModuleType:
    """litellm, kept off the network and quiet."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm  # noqa: PLC0415  2.5 seconds and 160 MB: only for those who use it
    # They complain of each other at every answer. For good, and not around each call: calls run side by side, and
    # would undo each other's filters.
    for library in ("litellm", "pydantic", "openai", "httpx", "aiohttp"):
        warnings.filterwarnings("ignore", module=library)
    litellm.suppress_debug_info = True
    module: ModuleType = litellm
    return module
