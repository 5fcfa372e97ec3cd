"""What goes wrong between a client and a server, in words that help."""

import grpc

__all__ = ["ServingError"]

# What a caller can do about a failure: (code, text in its message, remedy). The first
# match counts, so a narrower text stands above a wider one.
_REMEDIES = (
    (
        "UNAVAILABLE",
        "",
        "Is a server listening on {target}, and has it loaded its model? "
        "`Client.wait_until_ready` waits for both.",
    ),
    (
        "NOT_FOUND",
        "",
        "`Client.status` lists the versions of model {model!r}; the model's name is "
        "the server's `--name` (TensorFlow Serving: `--model_name`).",
    ),
    (
        "RESOURCE_EXHAUSTED",
        "larger than max",
        "Attention is the large part: lower `batch_size`, leave it out with "
        "`predict(..., outputs=...)`, or raise `max_message_bytes`.",
    ),
    (
        "DEADLINE_EXCEEDED",
        "",
        "Raise `timeout`, or lower `batch_size` so that a request takes less time.",
    ),
    (
        "FAILED_PRECONDITION",
        "Serving signature key",
        "`Client.metadata` lists the signatures that the model has.",
    ),
)


class ServingError(RuntimeError):
    """A call to a server failed.

    Attributes:
        code: The gRPC status, as `"NOT_FOUND"`.
        details: What the server, or the connection, said.
        remedy: What to try; may be empty.

    Example:

    >>> error = ServingError(
    ...     "DEADLINE_EXCEEDED", "Deadline Exceeded", target="localhost:8500", model="m"
    ... )
    >>> error.code
    'DEADLINE_EXCEEDED'
    >>> print(error)
    DEADLINE_EXCEEDED: Deadline Exceeded (model 'm' at localhost:8500). Raise \
`timeout`, or lower `batch_size` so that a request takes less time.
    """

    def __init__(self, code: str, details: str, *, target: str, model: str):
        self.code = code
        self.details = details
        self.remedy = next(
            (
                remedy.format(target=target, model=model)
                for known, text, remedy in _REMEDIES
                if known == code and text in details
            ),
            "",
        )
        place = f"(model {model!r} at {target})."
        super().__init__(f"{code}: {details} {place} {self.remedy}".rstrip())

    @classmethod
    def from_rpc_error(
        cls, error: grpc.RpcError, *, target: str, model: str
    ) -> "ServingError":
        """Describes an error that gRPC raised."""
        return cls(error.code().name, error.details() or "", target=target, model=model)
