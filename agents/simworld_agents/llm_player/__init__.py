"""Players who reason in text: each round of a repeated game they ask a model, and tell it what the past came to."""

from simworld_agents.llm_player._past import Past, Round
from simworld_agents.llm_player._player import LlmPlayer

__all__ = ["LlmPlayer", "Past", "Round"]
