"""The ways in: one package for each API that the servers speak."""
