"""Tests of `experiments`: real servers, real processes."""
