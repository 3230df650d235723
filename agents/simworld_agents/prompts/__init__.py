"""Prompts as files: a template beside its agent, with the inputs that it declares, and a digest for the record."""

from simworld_agents.prompts._prompt import Prompt

__all__ = ["Prompt"]
