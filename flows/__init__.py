"""The evaluation on a schedule: Prefect, and nothing else."""

import os

# Prefect reads these when it is first imported. Nothing leaves the machine unless somebody asks for it, and
# without a server of its own a flow waits for a temporary one, which a busy machine needs more time for.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
