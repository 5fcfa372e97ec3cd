"""What goes wrong between a client and a server, in words that help."""

__all__ = ["ServingError"]

_REST_PORT = (
    "{target} answers HTTP, not gRPC. It may be the REST port: TensorFlow Serving's "
    "gRPC port is 8500 unless its `--port` says otherwise."
)

# What a caller can do about a failure: (code, text in its message, remedy). The first
# match counts, so a narrower text stands above a wider one.
_REMEDIES = (
    (
        "UNAVAILABLE",
        "Expected SETTINGS frame",
        _REST_PORT,
    ),
    (
        "UNAVAILABLE",
        "http1.x server",
        _REST_PORT,
    ),
    (
        "UNAVAILABLE",
        "CERTIFICATE_VERIFY_FAILED",
        "Name the authority that signed the server's certificate: `Tls(ca=...)`.",
    ),
    (
        "UNAVAILABLE",
        "Hostname Verification",
        "Name what the server's certificate holds: `Tls(..., server_name=...)`.",
    ),
    (
        "UNAVAILABLE",
        "WRONG_VERSION_NUMBER",
        "The server does not encrypt: leave `tls` out, or give the server its "
        "`--ssl_config_file`.",
    ),
    (
        "UNAVAILABLE",
        "Socket closed",
        "The server was stopped, or it expects encryption or a client's certificate: "
        "`tls=Tls(...)`.",
    ),
    (
        "UNAVAILABLE",
        "batch scheduling queue",
        "The server has more work than it can do: ask later, or with fewer requests "
        "at once.",
    ),
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
        "INVALID_ARGUMENT",
        "Unrecognized servable version label",
        "`version_labels` of the server's model configuration gives labels.",
    ),
    (
        "INVALID_ARGUMENT",
        "larger than maximum input batch size",
        "Lower `batch_size` to that of the server's batching.",
    ),
    (
        "RESOURCE_EXHAUSTED",
        "larger than max",
        "Attention is the large part: lower `batch_size`, leave it out with "
        "`attention=False`, or raise `max_message_bytes`.",
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
        found: What the server has in place of what was asked for; may be empty.
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

    def __init__(
        self, code: str, details: str, *, target: str, model: str, found: str = ""
    ):
        self.code = code
        self.details = details
        self.found = found
        self.remedy = next(
            (
                remedy.format(target=target, model=model)
                for known, text, remedy in _REMEDIES
                if known == code and text in details
            ),
            "",
        )
        place = f"{code}: {details} (model {model!r} at {target})."
        super().__init__(" ".join(filter(None, (place, found, self.remedy))))
