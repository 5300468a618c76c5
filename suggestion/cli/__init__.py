"""The command ``suggest``: a module for each group of commands."""
