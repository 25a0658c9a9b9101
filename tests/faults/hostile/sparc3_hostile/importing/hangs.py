"""Never ends, and cannot be asked to."""

import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(1e6)
