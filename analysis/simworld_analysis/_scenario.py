"""The resolved scenario that a run keeps beside its tables."""

from __future__ import annotations

from typing import Any

from simworld_analysis._open import OpenError, Run

_RESOLVED = "resolved.yaml"


def resolved_scenario(run: Run) -> tuple[dict[str, Any], str]:
    """The resolved scenario as data and as text; nothing where the directory lacks it.

    Raises:
        OpenError: It cannot be read.
    """
    import yaml  # noqa: PLC0415  importing the analysis must stay cheap

    path = run.path / _RESOLVED
    if not path.is_file():
        return {}, ""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OpenError(f"{path}: not readable ({' '.join(str(error).split())})") from error
    if not isinstance(data, dict):
        raise OpenError(f"{path}: not a scenario")
    return data, text
