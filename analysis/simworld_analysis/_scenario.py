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
    wrong = _misshapen(data)
    if wrong:
        raise OpenError(f"{path}: {wrong}: not what a run writes")
    return data, text


def _misshapen(data: dict[str, Any]) -> str:
    """The first key that does not have the shape of a resolved scenario; empty if all have."""
    kinds = {"world": dict, "roles": dict, "arms": dict, "sweep": dict, "horizon": int}
    for key, kind in kinds.items():
        if not isinstance(data.get(key, kind()), kind):
            return key
    if not all(isinstance(arm, dict) for arm in data.get("arms", {}).values()):
        return "arms"
    groups = data.get("roles", {}).values()
    if not all(isinstance(g, list) and all(isinstance(block, dict) for block in g) for g in groups):
        return "roles"
    return "" if isinstance(data.get("sweep", {}).get("grid", {}), dict) else "sweep.grid"
