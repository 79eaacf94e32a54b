"""The websockets library for Python against a running server."""

import json
import os
import time
import unittest
import urllib.request

from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

URL = os.environ["REPARTEE_URL"].replace("http", "ws", 1) + "/ws"


class Socket(unittest.TestCase):
    def setUp(self):
        self.ws = connect(URL, subprotocols=["repartee.v1"], max_size=None)
        self.addCleanup(self.ws.close)
        self.assertEqual(self.read()["type"], "ready")

    def read(self):
        message = self.ws.recv(timeout=30)
        return json.loads(message) if isinstance(message, str) else message

    def turn(self, **message):
        self.ws.send(json.dumps(message))
        got = []
        while True:
            event = self.read()
            got.append(event)
            if isinstance(event, dict) and event["type"] in ("done", "cancelled", "error"):
                return got

    def test_chat(self):
        got = self.turn(type="chat", message="Name three colours.", max_tokens=16, temperature=0)
        tokens = [e["text"] for e in got[:-1]]
        self.assertGreater(len(tokens), 1)  # guessed tokens come together
        self.assertEqual(got[-1]["type"], "done")
        self.assertEqual(got[-1]["usage"]["completion_tokens"], 16)

    def test_typed_input(self):
        for part in ("Name ", "three ", "colours."):
            self.ws.send(json.dumps({"type": "input", "text": part}))
        self.ws.send(json.dumps({"type": "commit"}))
        self.assertEqual(self.read()["type"], "token")
        self.assertIn(self.turn(type="cancel")[-1]["type"], ("cancelled", "done"))

    def test_input_is_read_before_the_commit(self):
        text = "The quick brown fox jumps over the lazy dog while the sun goes down behind the hills of the north. " * 6
        before = self.read_ahead()
        self.ws.send(json.dumps({"type": "input", "text": text}))
        deadline = time.monotonic() + 60
        while self.read_ahead() < before + 120:
            self.assertLess(time.monotonic(), deadline, "the input was not read ahead")
            time.sleep(0.05)
        self.ws.send(json.dumps({"type": "input", "text": "What jumps?"}))
        done = self.turn(type="commit")[-1]
        self.assertEqual(done["type"], "done")
        usage = done["usage"]
        self.assertGreater(usage["prompt_tokens"], 120)
        self.assertGreater(usage["cached_tokens"], usage["prompt_tokens"] - 40)

    def read_ahead(self):
        with urllib.request.urlopen(os.environ["REPARTEE_URL"] + "/metrics") as page:
            lines = page.read().decode().splitlines()
        return sum(float(x.split()[-1]) for x in lines if x.startswith("repartee_prefilled_ahead_tokens_total"))

    def test_speech(self):
        self.ws.send(json.dumps({"type": "start", "speak": True}))
        self.assertEqual(self.read()["type"], "ready")
        got = self.turn(type="chat", message="Say hello.", max_tokens=24, temperature=0)
        audio = sum(len(e) for e in got if isinstance(e, bytes))
        kinds = [e["type"] for e in got if isinstance(e, dict)]
        self.assertIn("audio", kinds)
        self.assertIn("mark", kinds)
        self.assertGreater(audio, 22050)
        self.assertGreater(got[-1]["timings"]["first_audio_ms"], 0)

    def test_say(self):
        self.ws.send(json.dumps({"type": "say", "text": "Hello from "}))
        got = self.turn(type="say", text="one process.", flush=True)
        self.assertGreater(sum(len(e) for e in got if isinstance(e, bytes)), 22050)
        self.assertEqual("".join(e["text"] for e in got if isinstance(e, dict) and e["type"] == "mark").strip(), "Hello from one process.")

    def test_say_marks_cover_all_audio(self):
        """Resampling holds the last milliseconds back: they come behind the last words, in a clause without text."""
        self.ws.send(json.dumps({"type": "start", "audio": {"sample_rate": 16000}}))
        self.assertEqual(self.read()["type"], "ready")
        got = self.turn(type="say", text="Hello there. One more thing. ... \U0001f600", flush=True)
        self.assertEqual(got[-1]["type"], "done")
        self.assertEqual([e["sample_rate"] for e in got if isinstance(e, dict) and e["type"] == "audio"], [16000])
        heard, marks = 0, []
        for e in got:
            if isinstance(e, bytes):
                self.assertEqual(len(e) % 2, 0)
                heard += len(e) // 2
            elif e["type"] == "mark":
                marks.append(e)
                self.assertAlmostEqual(e["audio_ms"], heard / 16, delta=2)
        self.assertEqual([m["text"].strip() for m in marks if m["text"]], ["Hello there.", "One more thing."])
        self.assertEqual(marks[-1]["text"], "")
        self.assertGreater(heard, 16000)

    def test_cancel(self):
        self.ws.send(json.dumps({"type": "chat", "message": "Tell a long story.", "max_tokens": 2000}))
        self.assertEqual(self.read()["type"], "token")
        last = self.turn(type="cancel")[-1]
        self.assertEqual(last["type"], "cancelled")
        self.assertIn("spoken", last)
        self.assertEqual(self.turn(type="chat", message="Hi", max_tokens=2)[-1]["type"], "done")

    def test_large_frame(self):
        self.ws.send("x" * (1 << 20) + "x")
        with self.assertRaises(ConnectionClosedError) as caught:
            self.read()
        self.assertEqual(caught.exception.rcvd.code, 1009)


if __name__ == "__main__":
    unittest.main()
