"""The error of a failed call, with what to try."""

from keras_attn.deprecation import warn_of_rename

__all__ = ["ServingError", "failed_by_neighbour"]

_REST_PORT = (
    "{target} answers HTTP, not gRPC. It may be the REST port: TensorFlow Serving's "
    "gRPC port is 8500 unless its `--port` says otherwise."
)

# What TensorFlow Serving answers to all requests of a batch of which one has another
# dtype or shape: (code, text in the error's details).
_NEIGHBOUR_FAILURES = (
    ("INTERNAL", "Tensor concat operation failed"),
    ("FAILED_PRECONDITION", "from different tasks have different shapes"),
)

# (code, text in the error's details, remedy). The first match counts, so specific texts
# come before general ones.
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
        "Give the authority that signed the server's certificate: `Tls(ca=...)`.",
    ),
    (
        "UNAVAILABLE",
        "Hostname Verification",
        "Give the name in the server's certificate: `Tls(..., server_name=...)`.",
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
        "The server is overloaded: try later, or with fewer concurrent requests.",
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
        "Labels are given by `version_labels` in the server's model configuration.",
    ),
    (
        "INVALID_ARGUMENT",
        "larger than maximum input batch size",
        "Lower `batch_size` to the server's maximum batch size.",
    ),
    (
        "RESOURCE_EXHAUSTED",
        "larger than max",
        "Attention is the largest part, and grows with the texts of a request and the "
        "square of their length: lower `batch_size`, or raise `max_message_bytes`.",
    ),
    *(
        (
            code,
            text,
            "Another request of the server's batch was malformed, twice in a row: "
            "check requests before they reach the server, or serve this model without "
            "batching.",
        )
        for code, text in _NEIGHBOUR_FAILURES
    ),
    (
        "DEADLINE_EXCEEDED",
        "",
        "Raise `timeout`, or lower `batch_size` or, for long texts, `batch_bytes` to "
        "make requests faster.",
    ),
    (
        "FAILED_PRECONDITION",
        "Serving signature key",
        "`Client.metadata` lists the model's signatures.",
    ),
)


def failed_by_neighbour(code: str, details: str) -> bool:
    """Returns whether another request of a server's batch made a request fail.

    Args:
        code: The gRPC status.
        details: The server's message.

    Example:

    >>> failed_by_neighbour("INTERNAL", "Tensor concat operation failed: ...")
    True
    """
    return any(code == known and text in details for known, text in _NEIGHBOUR_FAILURES)


class ServingError(RuntimeError):
    """A call to a server failed.

    Attributes:
        code: The gRPC status, such as `"NOT_FOUND"`.
        details: The message of the server or of gRPC.
        available: The versions or signatures that the server has, where the requested
            one is missing; may be empty.
        part: Which part of a long text failed, in bytes; may be empty.
        remedy: What to try; may be empty.

    Example:

    >>> error = ServingError(
    ...     "DEADLINE_EXCEEDED", "Deadline Exceeded", target="localhost:8500", model="m"
    ... )
    >>> error.code
    'DEADLINE_EXCEEDED'
    >>> print(error)
    DEADLINE_EXCEEDED: Deadline Exceeded (model 'm' at localhost:8500). Raise \
`timeout`, or lower `batch_size` or, for long texts, `batch_bytes` to make \
requests faster.
    """

    def __init__(
        self,
        code: str,
        details: str,
        *,
        target: str,
        model: str,
        available: str = "",
        part: str = "",
    ):
        self.code = code
        self.details = details
        self.available = available
        self.part = part
        self.remedy = next(
            (
                remedy.format(target=target, model=model)
                for known, text, remedy in _REMEDIES
                if known == code and text in details
            ),
            "",
        )
        summary = f"{code}: {details} (model {model!r} at {target})."
        failed = part and f"It was to translate {part}."
        message = filter(None, (summary, failed, available, self.remedy))
        super().__init__(" ".join(message))

    @property
    def found(self) -> str:
        """The name of `available` in version 0.1.0."""
        warn_of_rename("ServingError.found", "ServingError.available")
        return self.available
