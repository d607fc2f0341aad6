"""An API on loopback that answers each prompt the same way every time, and counts."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

# As long as a short answer of a quick model takes: a run has to have a middle.
SECONDS = 0.05


class CountingServer(ThreadingHTTPServer):
    """Answers chat completions after `SECONDS`; `asked` counts the requests by prompt."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.base_url = f"http://127.0.0.1:{self.server_port}/api/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed are the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: CountingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        prompt = json.loads(body)["messages"][-1]["content"]
        with self.server.lock:
            self.server.asked[prompt] += 1
        threading.Event().wait(SECONDS)
        digest = hashlib.sha256(prompt.encode()).hexdigest()[:12]
        message = {"role": "assistant", "content": f"Answer to {prompt}"}
        reply = {
            "id": f"gen-{digest}",
            "model": "engine/test",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 3, "cost": 0.000001},
        }
        data = json.dumps(reply).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"x-request-id: req-{digest}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + data)

    def log_message(self, *_: object) -> None:
        """Quiet."""
