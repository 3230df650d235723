"""The board that workers share: whoever dies over it holds nobody up."""

from __future__ import annotations

import subprocess
import sys

DEADLY = '''
import os
import signal
from multiprocessing import get_context

from simworld.execution import Board
from simworld.gateway import Budget, Spent


class Deadly:
    """A sum whose reader dies, and it is read under the lock."""

    @property
    def asks(self):
        os.kill(os.getpid(), signal.SIGKILL)


def settle(board):
    board.settle(Deadly())


def count(board):
    for _ in range(500):
        board.settle(Spent(1, 2, 0.5))


if __name__ == "__main__":
    board = Board(2, Budget(asks=3))
    context = get_context("spawn")
    for work, times in ((settle, 1), (count, 2)):
        workers = [context.Process(target=work, args=(board,)) for _ in range(times)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(workers[0].exitcode, board.spent().asks, board.spent().tokens, board.spent().usd)
'''


def test_a_worker_that_dies_with_the_lock_of_the_meter_holds_nobody_up(tmp_path):
    (tmp_path / "deadly.py").write_text(DEADLY)
    # A second for each process to start; with a lock that nobody frees, for ever.
    done = subprocess.run(
        [sys.executable, "deadly.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["-9 0 0 0.0", "0 1000 2000 500.0"], done.stderr
