"""Training is an extra: without torch it says how to get it, and everything else works."""

from __future__ import annotations

import subprocess
import sys

SCENARIO = """
world: {kind: repeated_game}
roles: {player: {kind: random, count: 2}}
horizon: 3
train: {learners: [player]}
"""


def test_without_torch_it_says_how_to_get_it(tmp_path):
    (tmp_path / "it.yaml").write_text(SCENARIO)
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[1:] = ['train', 'it.yaml'];"
        "from simworld.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: training needs torch, which is not installed: pip install 'simworld[train]'\n"
    assert [path.name for path in tmp_path.iterdir()] == ["it.yaml"]
