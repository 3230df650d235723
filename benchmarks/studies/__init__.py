"""Slow scientific studies: `make study`."""
