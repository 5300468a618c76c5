"""``python -m suggestion`` is ``suggest``."""

from suggestion.cli.main import main

if __name__ == "__main__":
    main()
