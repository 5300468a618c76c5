"""Where trials run: a package or module for each place."""
