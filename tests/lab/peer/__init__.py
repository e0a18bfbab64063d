"""The fault peer: a small adbd in Python, whose wire can be told to misbehave.

    with Peer(folder) as peer:                              # healthy: Google's adb accepts it
        connect_tcp(*peer.address, [signer])
    with Peer(folder, faults=[Fault("reset", packet=3, byte=11)]) as peer:
        ...                                                 # breaks in its fourth packet

Its shell is the host's ``sh``, its files are the host's: it is for the wire, and for nothing
that makes a phone a phone. For that there is the lab phone.
"""

from tests.lab.peer.adbd import FEATURES, Peer
from tests.lab.peer.faults import BREAKS, INSERTS, KINDS, TWISTS, Fault

__all__ = ["BREAKS", "FEATURES", "INSERTS", "KINDS", "TWISTS", "Fault", "Peer"]
