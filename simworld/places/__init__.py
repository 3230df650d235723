"""Where members are, and who is near whom: a grid, a plane, a network, and letters between members.

Plain values for worlds: they hold no members and no state but what a world puts in, are pickled with it, and work on
arrays of all members at once.
"""

from simworld.places._grid import Grid
from simworld.places._mailbox import Mailbox
from simworld.places._network import Network
from simworld.places._plane import Plane

__all__ = ["Grid", "Mailbox", "Network", "Plane"]
