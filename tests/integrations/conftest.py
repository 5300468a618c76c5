"""What the tests of adapters share."""

from __future__ import annotations

import os

# A cluster that was killed leaves a file that names it, for which Ray would wait for ever.
os.environ["RAY_ADDRESS"] = "local"
