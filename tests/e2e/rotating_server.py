"""`remit up --dev --json` whose signing keys move on within fractions of a second.

`python rotating_server.py PUBLISH LINGER`, both in milliseconds. Everything else is the server as it is.
"""

from __future__ import annotations

import os
import sys

from remit.keys.rotation import Schedule
from remit.server import certifying
from remit.server.run import serve
from remit.server.settings import Settings, data_directory, keyfile_path


def main() -> int:
    publish, linger = (int(each) * 1000 for each in sys.argv[1:])
    certifying._EVERY = 0.05  # so that no key waits a second for being looked at
    return serve(
        Settings(
            data=data_directory(os.environ), keyfile=keyfile_path(os.environ), port=0, dev=True,
            key_schedule=Schedule(publish=publish, linger=linger),
        ),
        as_json=True,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
