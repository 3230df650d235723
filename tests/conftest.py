"""What all tests share: the same examples everywhere, and servers on loopback."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

# Property tests draw the same examples everywhere, and are not timed: machines differ.
settings.register_profile("simworld", deadline=None, derandomize=True)
settings.load_profile("simworld")

SERVERS = Path(__file__).parent / "servers"
WARD = '''
from simworld.kernel import Agent, Field, Role, World


class Ward(World):
    """Cases to judge, one each tick."""

    roles = (Role("doctor", obs=(Field("fever"),), act=({act},)),)
    measures = ({measure},)

    def reset(self, turn):
        turn.wake("doctor", turn.join("doctor", turn.seats("doctor")), 0)

    def observe(self, role, members):
        return {{"fever": {fever} + members}}

    def step(self, moment, turn):
        acts = moment.acts.get("doctor")
        if acts is not None:
            done = acts[self.roles[0].act[0].name]
            turn.emit(**{{self.measures[0].name: float(done.sum())}})
            turn.wake("doctor", acts.members, turn.tick + 1)
'''


def _server_module():
    """The scripted server's module: tests are no package."""
    if "scripted_server" not in sys.modules:
        spec = importlib.util.spec_from_file_location("scripted_server", SERVERS / "scripted_server.py")
        sys.modules["scripted_server"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["scripted_server"]


@pytest.fixture
def ward_world():
    """``ward_world(act, measure, fever)``: the source of a world in which doctors decide, and what they do is added up."""
    return lambda act, measure, fever=37.0: WARD.format(act=act, measure=measure, fever=fever)


@pytest.fixture
def said():
    """What a scripted server does with one request."""
    return _server_module().Said


@pytest.fixture
def serve():
    """Starts scripted servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(_server_module().ScriptedServer(script))


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """Address of llama.cpp's server on a tiny model with random weights."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed here", exc_type=ImportError)
    command = [sys.executable, str(SERVERS / "llama_server.py"), str(tmp_path_factory.mktemp("llama"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http"), "the server did not start"
        yield f"{address}/v1"
        process.stdin.close()
        process.wait(20)


def _without_browser(reporter) -> int:
    """Tests of the browser that were skipped; those of other processes are among the reporter's."""
    return sum("tests/browser/" in report.nodeid for report in reporter.stats.get("skipped", ()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """What was not run is the last line, after everything else that pytest says, and is kept for whoever runs pytest."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    kept = session.config.rootpath / ".pytest_cache" / "not_run"
    kept.unlink(missing_ok=True)
    if count := _without_browser(reporter):
        line = f"NOT RUN: browser, {count} tests"
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(f"{line}\n")
        session.config.add_cleanup(lambda: reporter.write_line(line))
