"""Scenarios: one YAML file says which world, who fills its roles, and which variants are run.

``load`` reads a file, applies overrides and checks all of it; ``cells`` are its arms times its sweep, each fully
resolved and with a digest. Worlds and minds are found by short name through the entry-point group ``simworld``, or
as ``module:Class``. A scenario may import what it names, so it is as trusted as code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld.lazy import lazily

if TYPE_CHECKING:
    from simworld.scenario._beside import check_beside, import_beside, source_beside
    from simworld.scenario._bundled import bundled
    from simworld.scenario._cells import Cell, Seating, cells, check_roles
    from simworld.scenario._claims import claims_beyond
    from simworld.scenario._load import Scenario, load
    from simworld.scenario._models import ScenarioFile, TrainBlock
    from simworld.scenario._registry import Category, Found, build, find, kinds, known, learner_kind
    from simworld.scenario._resolve import resolve_text, scenario_digest
    from simworld.scenario._schema import schema
    from simworld.scenario._yaml import parse_value

# Loaded on first use: pydantic takes longer to import than a command may take to print its help.
_MODULES = {
    "Category": "_registry",
    "Cell": "_cells",
    "Found": "_registry",
    "Scenario": "_load",
    "ScenarioFile": "_models",
    "TrainBlock": "_models",
    "Seating": "_cells",
    "build": "_registry",
    "bundled": "_bundled",
    "cells": "_cells",
    "check_beside": "_beside",
    "claims_beyond": "_claims",
    "check_roles": "_cells",
    "find": "_registry",
    "import_beside": "_beside",
    "kinds": "_registry",
    "known": "_registry",
    "learner_kind": "_registry",
    "load": "_load",
    "parse_value": "_yaml",
    "resolve_text": "_resolve",
    "scenario_digest": "_resolve",
    "schema": "_schema",
    "source_beside": "_beside",
}

__all__ = [
    "Category",
    "Cell",
    "Found",
    "Scenario",
    "ScenarioFile",
    "Seating",
    "TrainBlock",
    "build",
    "bundled",
    "cells",
    "check_beside",
    "check_roles",
    "claims_beyond",
    "find",
    "import_beside",
    "kinds",
    "known",
    "learner_kind",
    "load",
    "parse_value",
    "resolve_text",
    "scenario_digest",
    "schema",
    "source_beside",
]

__getattr__, __dir__ = lazily(__name__, _MODULES)
