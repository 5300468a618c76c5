"""Hyperband, ASHA, BOHB and population based training against random search."""
