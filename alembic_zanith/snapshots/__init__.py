"""The schema of a database as a value, and what differs between two of them."""

from .differences import Change, Difference, differences
from .model import Snapshot
from .reading import take_snapshot

__all__ = ["Change", "Difference", "Snapshot", "differences", "take_snapshot"]
