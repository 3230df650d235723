"""simworld: simulate societies of heterogeneous agents, study their behaviour, and rewind them."""

__version__ = "0.1.0"
__all__ = ["__version__"]
