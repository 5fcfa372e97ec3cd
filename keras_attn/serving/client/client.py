"""Ask a server for translations over gRPC."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

import grpc
import numpy as np

from keras_attn.serving.client.base import BaseClient, Readiness
from keras_attn.serving.client.errors import ServingError
from keras_attn.serving.client.values import SignatureInfo, VersionStatus
from keras_attn.serving.signature import TRANSLATE
from keras_attn.translation import Translation

__all__ = ["Client"]

_POLL_SECONDS = 0.1


class Client(BaseClient):
    """Talks to TensorFlow Serving, or to `keras-attn serve`, about one model.

    The connection is made at the first call and may be shared by threads. Close the
    client, or use it in a `with` statement.

    Args:
        target: `"HOST:PORT"` of a server's gRPC port, or several `"IP:PORT"`. Where
            there are several addresses, requests go in turn to those that answer.
        model: The model's name on the server.
        version: The version to ask; `None` asks the newest that is served.
        label: The version's label on the server (as `"stable"`), in place of `version`.
        timeout: Seconds that one request may take, retries included.
        max_message_bytes: Longest answer accepted. gRPC's own limit of 4 MiB is too
            short for the attention of a batch of long sentences.
        batch_size: Most texts sent in one request.
        batch_bytes: Most bytes of text sent in one request; a longer text goes alone.
        attempts: How often a request is tried, at most, that a server says it could
            not take (`UNAVAILABLE`). While most requests fail, each is tried once.
        compression: Of requests: `None`, `"gzip"` or `"deflate"`.
        tls: Certificates; `None`: no encryption.

    Raises:
        TypeError: If `target` is no text.
        ValueError: If a limit is not positive, or an argument is out of range.
        OSError: If a certificate cannot be read.
    """

    _grpc = grpc

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls still waiting for an answer fail."""
        self._closed = True
        self._channel.close()

    def translate(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None = None,
        length_penalty: float | Sequence[float] | None = None,
        attention: bool = True,
    ) -> list[Translation]:
        """Translates texts, in requests of at most `batch_size` of them.

        Args:
            texts: Any number of texts. A lone surrogate in one is sent as `?`.
            max_length: Most target tokens, the end token included: one number, or one
                for each text. The model's own limit holds as well.
            length_penalty: Exponent of the length when hypotheses are compared: one
                number, or one for each text; `None`: as the model was exported.
            attention: False leaves attention out of the answers, of which it is the
                largest part: `Translation.attention` is then `(T, 0)`.

        Returns:
            One `Translation` for each text, in their order.

        Raises:
            TypeError: If `texts` is a single text, or holds something else.
            ValueError: If an option is out of range, or not one for each text.
            ServingError: If the server cannot be reached or refuses.
        """
        if max_length is None and length_penalty is None:
            return self._join(self._calls.translate(texts, attention=attention))
        return self._join(
            self._calls.translate_options(
                texts,
                max_length=max_length,
                length_penalty=length_penalty,
                attention=attention,
            )
        )

    def translate_words(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[Translation]:
        """Translates texts and tells of words, where `translate` tells of subwords.

        Args:
            texts: As for `translate`.
            attention: As for `translate`.

        Returns:
            The same translations, whose tokens are words; the score of a word is the
            sum of those of its subwords.

        Raises:
            TypeError: As `translate` does.
            ServingError: As `translate` does.
        """
        return self._join(self._calls.translate_words(texts, attention=attention))

    def nbest(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[list[Translation]]:
        """Finds several translations of each text.

        Args:
            texts: As for `translate`.
            attention: As for `translate`.

        Returns:
            For each text its translations, best first: as many as the model was
            exported to give, or fewer where the search found fewer.

        Raises:
            TypeError: As `translate` does.
            ServingError: As `translate` does.
        """
        return self._join(self._calls.nbest(texts, attention=attention))

    def align(
        self,
        texts: Sequence[str],
        targets: Sequence[str],
        *,
        attention: bool = True,
    ) -> list[Translation]:
        """Scores given translations, and shows where the model looks as it reads them.

        Args:
            texts: As for `translate`.
            targets: One translation for each text.
            attention: As for `translate`.

        Returns:
            One `Translation` for each pair, with `text` from `targets`.

        Raises:
            TypeError: As `translate` does, for either argument.
            ValueError: If there is not one target for each text.
            ServingError: As `translate` does.
        """
        return self._join(self._calls.align(texts, targets, attention=attention))

    def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        signature: str = TRANSLATE.name,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs one signature of the model on tensors.

        Args:
            inputs: The signature's inputs by name. The dtypes must be exactly the
                signature's: servers convert nothing.
            signature: Name of the signature.
            outputs: Names of the outputs wanted; none means all. What is not asked for
                is not sent, which for attention is most of an answer.

        Returns:
            The outputs by name; text as arrays of `bytes` objects.

        Raises:
            TypeError: If an input has a dtype that cannot be sent.
            ServingError: If the server cannot be reached or refuses.
        """
        return self._run(self._calls.predict(inputs, signature, outputs))

    def status(self) -> list[VersionStatus]:
        """Returns what the server knows of each version of the model.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        return self._run(self._calls.status())

    def metadata(self) -> dict[str, SignatureInfo]:
        """Returns the model's signatures by name.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        return self._run(self._calls.metadata())

    def wait_until_ready(self, timeout: float = 60.0) -> VersionStatus:
        """Waits for a server that is being started to serve the model.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The newest available version (the client's own, if it asks for one).

        Raises:
            ServingError: `"DEADLINE_EXCEEDED"`, with what was seen last.
        """
        readiness = Readiness(timeout)
        while left := readiness.left():
            try:
                versions = self._send(
                    self._calls.status(), timeout=min(left, self._timeout)
                )
            except ServingError as error:
                readiness.failed(error)
            else:
                if (found := readiness.newest(versions)) is not None:
                    return found
            time.sleep(min(_POLL_SECONDS, readiness.left()))
        raise self._failure("DEADLINE_EXCEEDED", str(readiness)) from readiness.cause

    def _join(self, calls):
        return [each for call in calls for each in self._run(call)]

    def _run(self, call):
        try:
            return self._send(call)
        except ServingError as error:
            inquiry = self._calls.inquiry(call.rpc, error.code, error.details)
            if inquiry is None:
                raise
            try:
                found = self._send(inquiry)
            except ServingError:
                raise error from error.__cause__
            raise self._failure(error.code, error.details, found) from error.__cause__

    def _send(self, call, timeout=None):
        self._check_open()
        try:
            response = self._stubs[call.rpc](
                call.request, timeout=self._timeout if timeout is None else timeout
            )
        except grpc.RpcError as error:
            raise self._refusal(error) from error
        return self._read(call, response)
