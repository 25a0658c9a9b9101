"""A worker's other end that takes its time to start, and then answers at once, or never."""

from __future__ import annotations

import json
import sys
import time
from multiprocessing.connection import Connection

SLOW_S = 1.5

if __name__ == "__main__":
    pipe = Connection(int(sys.argv[1]))
    pipe.recv_bytes()
    time.sleep(SLOW_S)
    pipe.send_bytes(json.dumps({"up": True}).encode())
    while True:
        asked = json.loads(pipe.recv_bytes())
        if asked["do"] == "requests":
            sys.exit(3)
        if asked["with"]["label"] == "hangs":
            continue
        told = {"order": asked["with"]["path"], "status": "ok"}
        pipe.send_bytes(json.dumps({"answer": told}).encode())
