"""Recording: what an episode determines goes into declared Arrow tables, crash-safe while it runs, sealed when it ends.

``EpisodeRecorder`` listens to a kernel and leaves one sealed file per table; ``compact`` merges the files of many
episodes into few. A run is a directory (``create_run``) with a ``Manifest``, ``run.json``.
"""

from simworld.recording._adopting import Shelf, adopt
from simworld.recording._kept import Kept
from simworld.recording._mending import mend
from simworld.recording._reading import EpisodeRow, Link, damaged_files, read_episodes, read_links
from simworld.recording._recorder import EpisodeRecorder
from simworld.recording._redacting import redact_tables
from simworld.recording._run import (
    Environment,
    FolderLock,
    FoundRun,
    Manifest,
    RunLock,
    Status,
    create_run,
    find_run,
    is_locked,
    read_manifest,
)
from simworld.recording._schema import (
    SCHEMA_VERSION,
    EpisodeKey,
    EpisodeTables,
    Parameter,
    Policy,
    RoleTable,
    parameter_types,
)
from simworld.recording._sealing import TableFiles, compact, drop_unfinished, inventory
from simworld.recording._sheaf import BLOCKS, Sheaf

__all__ = [
    "BLOCKS",
    "SCHEMA_VERSION",
    "Environment",
    "EpisodeKey",
    "EpisodeRecorder",
    "EpisodeRow",
    "EpisodeTables",
    "FolderLock",
    "FoundRun",
    "Kept",
    "Link",
    "Manifest",
    "Parameter",
    "Policy",
    "RoleTable",
    "RunLock",
    "Sheaf",
    "Shelf",
    "Status",
    "TableFiles",
    "adopt",
    "compact",
    "create_run",
    "damaged_files",
    "drop_unfinished",
    "find_run",
    "inventory",
    "is_locked",
    "mend",
    "parameter_types",
    "read_episodes",
    "read_links",
    "read_manifest",
    "redact_tables",
]
