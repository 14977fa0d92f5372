"""A real browser for the tests of pages: headless Chromium."""

import itertools
import json
import select
import shutil
import subprocess


def chromium():
    """Return the program; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """Headless Chromium, driven through its DevTools pipe."""

    FLAGS = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--remote-debugging-pipe",
    )

    def __init__(self, program, profile):
        command = [program, *self.FLAGS, f"--user-data-dir={profile}"]
        onto_pipe = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh"]
        self.process = subprocess.Popen(
            [*onto_pipe, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self.numbers, self.pending, self.events, self.session = itertools.count(1), b"", [], {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.call("Page.enable")
        self.call("Network.enable")

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters} | self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        answer = self.await_message(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def await_message(self, wanted):
        while True:
            while b"\0" not in self.pending:
                assert select.select([self.process.stdout], [], [], 30)[0], "the browser is silent"
                read = self.process.stdout.read(1 << 16)
                assert read, "the browser has ended"
                self.pending += read
            text, _, self.pending = self.pending.partition(b"\0")
            message = json.loads(text)
            if wanted(message):
                return message
            self.events.append(message)

    def open(self, address, *, width=1280, height=900, dark=False, reduced=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        media = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if reduced else "no-preference",
        }
        self.call(
            "Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in media.items()]
        )
        self.events.clear()
        self.call("Page.navigate", url=address)
        if not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.await_message(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, script):
        """Return the value of an expression, of a promise when it is settled."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition):
        """Wait until an expression is true, checked in every frame."""
        look = f"const look = () => ({condition}) ? done(true) : left-- ? requestAnimationFrame(look) : done(false)"
        assert self.run(f"new Promise(done => {{ let left = 600; {look}; look(); }})"), condition

    def mouse(self, kind, x, y, *, button="left"):
        down = int(kind != "mouseReleased" and button == "left")
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=down, clickCount=1)

    def press(self, key, code, text=""):
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def close(self):
        self.session = {}
        self.call("Browser.close")
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stdin.close()
            self.process.stdout.close()
