"""The page about experiments: live from a local web server, or as one file."""
