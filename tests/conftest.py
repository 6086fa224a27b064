"""What every test relies on: one thread a process (tests run in parallel), and few, unhurried hypothesis examples."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch; subprocesses inherit it

from hypothesis import settings

settings.register_profile("unpaired", max_examples=40, deadline=None)
settings.load_profile("unpaired")
