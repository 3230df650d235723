"""Build the wheel, install it into an empty environment, and run the main job from an empty folder."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        wheel = next(folder.glob("*.whl"))
        names = zipfile.ZipFile(wheel).namelist()
        tops = {n.split("/")[0] for n in names if ".dist-info" not in n}
        assert tops == {"simworld", "simworld_agents", "simworld_analysis"}, tops
        assert "simworld/worlds/economy/us_federal_single.csv" in names
        assert {f"simworld_analysis/report/report.{end}" for end in ("html.j2", "css")} <= set(names)
        assert {f"simworld/console/page/page.{end}" for end in ("css", "js")} <= set(names)
        # The dependencies are those that were tested; only simworld itself must come from the wheel.
        venv.create(folder / "env", with_pip=False, system_site_packages=False)
        library = next((folder / "env" / "lib").glob("python3*")) / "site-packages"
        zipfile.ZipFile(wheel).extractall(library)
        here = next(Path(p) for p in sys.path if p.endswith("site-packages"))
        # After the wheel, and without the editable install's own .pth file.
        (library / "dependencies.pth").write_text(str(here) + "\n")
        python = folder / "env" / "bin" / "python"
        where = [str(python), "-c", "import simworld, simworld_agents, simworld_analysis; print(simworld.__file__)"]
        origin = subprocess.run(where, check=True, capture_output=True, text=True, cwd=folder).stdout
        assert str(folder) in origin, origin
        (folder / "work").mkdir()
        # By its bare name: the scenario comes with the wheel.
        run = [str(python), "-c", "from simworld.cli import main; main()", "run", "tax_policy", "--episodes", "1"]
        done = subprocess.run(run, check=False, capture_output=True, text=True, cwd=folder / "work")
        assert done.returncode == 0, done.stderr
        assert "success  7/7 episodes" in done.stdout, done.stdout
    print("wheel: built, installed, ran the main job from an empty folder")


if __name__ == "__main__":
    main()
