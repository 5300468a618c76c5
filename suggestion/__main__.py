"""``python -m suggestion`` is ``suggest``."""

from suggestion.cli import main

if __name__ == "__main__":
    main()
