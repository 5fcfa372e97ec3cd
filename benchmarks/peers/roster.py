"""Who is compared, and what each needs."""

import dataclasses

__all__ = ["OURS", "PEERS", "Peer", "find_peer"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """One peer.

    Attributes:
        name: On the command line and in results.
        script: Module of `benchmarks.peers.scripts`.
        environment: Its `.venv-peer-NAME` and `requirements/NAME.txt`; `None`: it runs
            where this package does.
        python: The lowest and the highest version that its packages run on.
        options: Further words for the script.
        needs_compiler: Whether it compiles C++ while it runs.
        uses_our_weights: Whether it can write what our translator writes.
    """

    name: str
    script: str
    environment: str | None = None
    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 10), (3, 13))
    options: tuple[str, ...] = ()
    needs_compiler: bool = False
    uses_our_weights: bool = False


OURS = Peer(name="keras_attn", script="keras_attn")

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="pytorch",
            script="pytorch",
            environment="pytorch",
            python=((3, 11), (3, 13)),
            uses_our_weights=True,
        ),
        Peer(
            name="pytorch_compile",
            script="pytorch",
            environment="pytorch",
            python=((3, 11), (3, 13)),
            options=("--compile",),
            needs_compiler=True,
            uses_our_weights=True,
        ),
        Peer(name="plain_keras", script="plain_keras", uses_our_weights=True),
        Peer(
            name="opennmt_py",
            script="opennmt_py",
            environment="opennmt_py",
            python=((3, 11), (3, 11)),
        ),
        Peer(
            name="joeynmt",
            script="joeynmt",
            environment="joeynmt",
            python=((3, 11), (3, 11)),
        ),
        Peer(
            name="opennmt_tf",
            script="opennmt_tf",
            environment="opennmt_tf",
            python=((3, 11), (3, 11)),
        ),
    )
}


def find_peer(name: str) -> Peer:
    """Returns a peer by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in PEERS:
        raise ValueError(
            f"`--peer` must be one of {', '.join(PEERS)}. Received: {name!r}. "
            "Without --peer all of them are measured."
        )
    return PEERS[name]
