"""The observation log: what trials report while they run, kept in a SQL database."""
