"""The piper-tts package behind POST /tts, for comparison.

Takes {"text", "stream"} and answers WAV. With "stream": false the whole audio
comes in one piece with Server-Timing: tts;dur= (milliseconds of phonemes and
inference); streamed, each sentence is sent when the package hands it out.
"""

import argparse
import json
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import onnxruntime
import piper


def load(path: str, threads: int) -> piper.PiperVoice:
    """Load a voice as the package does, with the number of threads set."""
    options = onnxruntime.SessionOptions
    plain = options()
    if threads > 0:
        plain.intra_op_num_threads = threads
    onnxruntime.SessionOptions = lambda: plain
    try:
        return piper.PiperVoice.load(path)
    finally:
        onnxruntime.SessionOptions = options


def wav_header(rate: int, size: int) -> bytes:
    """A 16-bit mono header; a size of 0xFFFFFFFF stands for a stream."""
    riff = min(size + 36, 0xFFFFFFFF)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", size)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    voice: piper.PiperVoice

    def log_message(self, *_):  # noqa: D102
        pass

    def reply(self, body: bytes, kind: str, status: int = 200, **headers: str):
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # noqa: D102
        if self.path == "/health":
            version = {"piper-tts": "1.8.0", "onnxruntime": onnxruntime.__version__}
            self.reply(json.dumps({"status": "ok", "kind": "piper", "versions": version, "voices": []}).encode(), "application/json")
        elif self.path == "/voices":
            self.reply(b'{"voices":[]}', "application/json")
        else:
            self.reply(b'{"error":"not found"}', "application/json", 404)

    def do_POST(self):  # noqa: D102
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rate = self.voice.config.sample_rate
        if not request.get("stream", True):
            began = time.perf_counter()
            audio = b"".join(c.audio_int16_bytes for c in self.voice.synthesize(request["text"]))
            took = (time.perf_counter() - began) * 1000
            self.reply(wav_header(rate, len(audio)) + audio, "audio/wav", Server_Timing=f"tts;dur={took:.3f}")
            return
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first = wav_header(rate, 0xFFFFFFFF)
        for chunk in self.voice.synthesize(request["text"]):
            data = first + chunk.audio_int16_bytes
            first = b""
            self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


def main():
    """Serve until the process is ended."""
    flags = argparse.ArgumentParser()
    flags.add_argument("--voice", required=True)
    flags.add_argument("--port", type=int, required=True)
    flags.add_argument("--threads", type=int, default=0)
    args = flags.parse_args()
    Handler.voice = load(args.voice, args.threads)
    list(Handler.voice.synthesize("Warm."))
    ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
