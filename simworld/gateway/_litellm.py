"""Any provider, through litellm: imported only when a scenario names one."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from simworld.gateway._lean import completion_of, failure_of, price, response_format
from simworld.gateway._request import Completion, ModelFailure, ModelSpec, Request

_QUIET = {
    # Without these its import looks for price lists and tokenisers on the network.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HF_HUB_OFFLINE": "1",
}


class LitellmClient:
    """Speaks to one model through litellm."""

    def __init__(self, spec: ModelSpec, keys: Mapping[str, str], timeout: float) -> None:
        self._spec, self._timeout = spec, timeout
        self._key = keys.get(spec.api_key_env or "OPENAI_API_KEY") if spec.api_key_env or spec.base_url else None
        self._litellm = load_litellm()

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
            with warnings.catch_warnings():
                # pydantic complains of litellm's own models at every answer.
                warnings.simplefilter("ignore")
                response = await litellm.acompletion(**given)
                data = response.model_dump()
        except Exception as error:  # noqa: BLE001  whatever it is, it is a call that failed, and recorded as one
            raise _failure(litellm, error) from None
        try:
            # What is not everybody's, litellm puts aside.
            message = data["choices"][0]["message"]
            message["refusal"] = (message.get("provider_specific_fields") or {}).get("refusal")
            completion = completion_of(data, spec)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise ModelFailure("server_error", f"not a chat completion: {type(error).__name__}: {error}") from None
        known = response._hidden_params.get("response_cost")
        usd = price(spec, completion.prompt_tokens, completion.completion_tokens)
        return completion if usd is not None or known is None else dataclasses.replace(completion, usd=float(known))

    async def close(self) -> None:
        """Close the connections that litellm keeps."""
        close = getattr(self._litellm, "close_litellm_async_clients", None)
        if close is not None:
            await close()


def load_litellm() -> ModuleType:
    """litellm, kept off the network and quiet."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm  # noqa: PLC0415  2.5 seconds and 160 MB: only for those who use it
    litellm.suppress_debug_info = True
    module: ModuleType = litellm
    return module


def _failure(litellm: ModuleType, error: Exception) -> ModelFailure:
    """What one of litellm's exceptions means for us."""
    detail = " ".join(str(error).split())[:300]
    if isinstance(error, litellm.Timeout):
        return ModelFailure("timeout", detail)
    if isinstance(error, litellm.APIConnectionError):
        return ModelFailure("unreachable", detail)
    if isinstance(error, litellm.InternalServerError) and "onnection" in detail:
        # Offline, litellm calls a refused connection a server error.
        return ModelFailure("unreachable", detail)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return ModelFailure("server_error", f"{type(error).__name__}: {detail}", retry=False)
    headers = getattr(error, "litellm_response_headers", None) or {}
    return failure_of(status, detail, headers.get("retry-after"))
