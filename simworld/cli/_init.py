"""`simworld init`."""

from __future__ import annotations

from pathlib import Path

import click

from simworld.errors import RunError

_FILES = {
    "workspace.md": "README.md",
    "my_world.py": "my_world.py",
    "my_agent.py": "my_agent.py",
    "my_study.yaml": "my_study.yaml",
    "test_mine.py": "test_mine.py",
    "notebook.ipynb": "notebook.ipynb",
}
"""What is copied, and what it is called there."""


@click.command(epilog="Example: simworld init pasture && cd pasture && simworld run my_study.yaml")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def init(folder: Path) -> int:
    """Make DIR with a world, an agent, a study, tests and a notebook that run at once, to be changed into your own.

    Nothing that is there is overwritten.
    """
    import simworld  # noqa: PLC0415

    package = Path(simworld.__file__).parent
    # In a checkout they stand with the docs, in a wheel inside the package.
    beside = package.parent / "docs" / "examples"
    source = beside if (package.parent / "pyproject.toml").is_file() else package / "examples"
    there = [name for name in _FILES.values() if (folder / name).exists()]
    if there:
        raise RunError(f"{folder}: {', '.join(there)} is there already; accepted: a new folder, or one without these")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in _FILES.items():
            text = (source / name).read_text(encoding="utf-8")
            # Their comments name the place where the docs run them.
            (folder / target).write_text(text.replace("docs/examples/", ""), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    for target in _FILES.values():
        click.echo(f"  {folder / target}")
    click.echo(f"next: cd {folder} && simworld run my_study.yaml")
    return 0
