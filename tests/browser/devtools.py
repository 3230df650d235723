"""A headless Chromium that is steered as a person would: it opens pages, presses keys, and tells what it shows."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import time
from pathlib import Path

import aiohttp

KEYS = {
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Escape": {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27},
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
}


class Browser:
    """One browser with one tab, with a profile of its own; a context manager."""

    def __init__(self, command: list[str], profile: Path) -> None:
        self._command = [*command, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        self._loop = asyncio.new_event_loop()
        self._number = 0

    def __enter__(self) -> Browser:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        for line in self._process.stderr:
            if found := re.search(r"ws://(127\.0\.0\.1:\d+)/", line):
                break
        else:
            raise AssertionError("the browser did not start")
        try:
            self._loop.run_until_complete(self._connect(found[1]))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._leave())
        self._process.terminate()
        self._process.stderr.close()
        self._process.wait(20)
        self._loop.close()

    def open(self, address: str) -> None:
        """Open a page, and wait until it is there."""
        self.do("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def press(self, *keys: str) -> None:
        """Press keys one after the other; a text of several letters is typed."""
        for key in keys:
            if key in KEYS:
                self.do("Input.dispatchKeyEvent", type="keyDown", **KEYS[key])
                self.do("Input.dispatchKeyEvent", type="keyUp", **{k: v for k, v in KEYS[key].items() if k != "text"})
                continue
            for letter in key:
                self.do("Input.dispatchKeyEvent", type="keyDown", key=letter, text=letter)
                self.do("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def see(self, script: str) -> object:
        """What an expression is in the page."""
        told = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, script: str, seconds: float = 30.0) -> None:
        """Wait for an expression to be true."""
        deadline = time.monotonic() + seconds
        while not self.see(f"!!({script})"):
            assert time.monotonic() < deadline, f"{script}\n{self.see('document.body.innerText')}"
            time.sleep(0.05)

    def text(self) -> str:
        """The words on the page."""
        return str(self.see("document.body.innerText"))

    def picture(self, path: Path, width: int, height: int, dark: bool = False) -> None:
        """What it looks like."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[feature])
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", format="png")["data"]))

    def do(self, method: str, **parameters: object) -> dict[str, object]:
        """One command of the DevTools protocol, and what it returns."""
        return self._loop.run_until_complete(asyncio.wait_for(self._do(method, parameters), 30))

    async def _connect(self, where: str) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://{where}/json/list") as response:
            (page,) = [target for target in await response.json() if target["type"] == "page"]
        self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)
        await self._do("Page.enable", {})

    async def _leave(self) -> None:
        if hasattr(self, "_socket"):
            await self._socket.close()
        if hasattr(self, "_session"):
            await self._session.close()

    async def _do(self, method: str, parameters: dict[str, object]) -> dict[str, object]:
        self._number += 1
        await self._socket.send_str(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads((await self._socket.receive()).data)
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]
