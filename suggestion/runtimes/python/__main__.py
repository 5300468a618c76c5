"""``python -m suggestion.runtimes.python``: run one trial."""

import sys

from suggestion.runtimes.python.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
