"""Hyperband, ASHA, BOHB and PBT on learning curves of real models."""
