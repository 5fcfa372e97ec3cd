"""The sync client of a model server."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

import grpc
import numpy as np

from keras_attn.serving.client.base import POLL_SECONDS, BaseClient, Readiness
from keras_attn.serving.client.calls import join_parts
from keras_attn.serving.client.errors import ServingError
from keras_attn.serving.client.server_info import SignatureInfo, VersionStatus
from keras_attn.serving.signature import TRANSLATE
from keras_attn.translation import Translation

__all__ = ["Client"]


class Client(BaseClient):
    """Asks TensorFlow Serving or `keras-attn serve` for translations over gRPC.

    It connects at the first call and may be shared by threads. Close the client, or use
    it in a `with` statement.

    Args:
        target: `"HOST:PORT"` of a server's gRPC port, or several `"IP:PORT"`. With
            several addresses, requests go in turn to those that are reachable.
        model: The model's name on the server.
        version: Version number; `None`: the newest that is served.
        label: Version label on the server (such as `"stable"`), in place of `version`.
        timeout: Seconds for one request, including retries.
        max_message_bytes: Maximum size of a response. gRPC's own limit of 4 MiB is too
            small for the attention of a batch of long sentences.
        batch_size: Maximum number of texts in one request.
        batch_bytes: Maximum number of text bytes in one request. `translate` and
            `translate_words` send a longer text by its sentences and join the answers;
            constraints, `nbest` and `align` send it alone.
        attempts: Maximum number of attempts for a request that fails with
            `UNAVAILABLE`. While most requests fail, each is tried once. A request that
            another one of a server's batch made fail is tried a second time.
        compression: Compression of requests: `None`, `"gzip"` or `"deflate"`.
        tls: Certificates; `None`: no encryption.

    Raises:
        TypeError: If `target` is not text.
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
        """Closes the connection; calls that wait for a response fail."""
        self._closed = True
        self._channel.close()

    def translate(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None = None,
        length_penalty: float | Sequence[float] | None = None,
        prefixes: Sequence[str] | None = None,
        required: Sequence[Sequence[str]] | None = None,
        attention: bool = True,
    ) -> list[Translation]:
        """Translates texts, in requests of at most `batch_size` texts.

        Args:
            texts: Any number of texts. A lone surrogate in one is sent as `?`.
            max_length: Maximum number of target tokens of each sentence, including the
                end token: one number, or one for each text. The model's own limit holds
                as well.
            length_penalty: Exponent of the length when hypotheses are compared: one
                number, or one for each text; `None`: as the model was exported.
            prefixes: A beginning for each translation, `""` for none. Its last word may
                be incomplete; after a blank the next word begins. The model must have
                the signature `translate_constrained`.
            required: Phrases that each translation must contain; likewise.
                `Translation.constraints_met` tells whether it does: the model leaves
                out what its vocabulary lacks and what its length limit has no room for.
            attention: False leaves attention and alignment, the largest parts, out of
                the results: `Translation.attention` is then `(T, 0)` and `alignment`
                `None`. (The server sends them all the same; `predict` asks for some
                outputs only.)

        Returns:
            One `Translation` for each text, in order. It has an `alignment` if the
            model has an aligner: see `metadata`.

        Raises:
            TypeError: If `texts` is a single text, or an item is not text; likewise
                for constraints.
            ValueError: If an option is out of range, their number is wrong, a required
                phrase is empty, or constraints come with another option.
            ServingError: If the server cannot be reached or returns an error.
        """
        return self._run_all(
            self._calls.translate(
                texts,
                max_length=max_length,
                length_penalty=length_penalty,
                prefixes=prefixes,
                required=required,
                attention=attention,
            )
        )

    def translate_words(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[Translation]:
        """Translates texts with words in place of subwords as tokens.

        Args:
            texts: As for `translate`.
            attention: As for `translate`.

        Returns:
            The same translations, with one token per word; the score of a word is the
            sum of the scores of its subwords.

        Raises:
            TypeError: As `translate` does.
            ServingError: As `translate` does.
        """
        return self._run_all(self._calls.translate_words(texts, attention=attention))

    def nbest(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[list[Translation]]:
        """Returns the n best translations of each text.

        Args:
            texts: As for `translate`.
            attention: As for `translate`.

        Returns:
            A list for each text, best first: as many as the model was exported to
            return, or fewer where the search found fewer.

        Raises:
            TypeError: As `translate` does.
            ServingError: As `translate` does.
        """
        return self._run_all(self._calls.nbest(texts, attention=attention))

    def align(
        self,
        texts: Sequence[str],
        targets: Sequence[str],
        *,
        attention: bool = True,
    ) -> list[Translation]:
        """Scores given translations by forced decoding, with attention.

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
        return self._run_all(self._calls.align(texts, targets, attention=attention))

    def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        signature: str = TRANSLATE.name,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs one signature of the model on tensors.

        Args:
            inputs: The signature's inputs by name. Their dtypes must be exactly those
                of the signature: servers convert nothing.
            signature: Name of the signature.
            outputs: Names of the outputs to return; empty means all.

        Returns:
            The outputs by name; text as arrays of `bytes` objects.

        Raises:
            TypeError: If an input has a dtype that cannot be sent, or another one than
                the translator's signature of that name.
            ValueError: If an input of a translator's signature has another rank, no
                rows, or not as many as another input.
            ServingError: If the server cannot be reached or returns an error.
        """
        return self._run(self._calls.predict(inputs, signature, outputs))

    def status(self) -> list[VersionStatus]:
        """Returns the status of each version of the model.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        return self._run(self._calls.status())

    def metadata(self) -> dict[str, SignatureInfo]:
        """Returns the model's signatures by name.

        A model with an aligner has the output `alignment` in each of them.

        Raises:
            ServingError: If the server cannot be reached or has no such model.
        """
        return self._run(self._calls.metadata())

    def wait_until_ready(self, timeout: float = 60.0) -> VersionStatus:
        """Waits until the server serves the model.

        Args:
            timeout: Maximum number of seconds to wait.

        Returns:
            The newest available version (the client's own, if it asks for one).

        Raises:
            ServingError: `"DEADLINE_EXCEEDED"`, with the last status or error.
        """
        readiness = Readiness(timeout)
        while seconds := readiness.seconds_left():
            try:
                versions = self._send(
                    self._calls.status(), timeout=min(seconds, self._timeout)
                )
            except ServingError as error:
                readiness.record_failure(error)
            else:
                newest = readiness.newest_available(versions)
                if newest is not None:
                    return newest
            time.sleep(min(POLL_SECONDS, readiness.seconds_left()))
        raise self._error("DEADLINE_EXCEEDED", str(readiness)) from readiness.cause

    def _run_all(self, calls):
        return join_parts(result for call in calls for result in self._run(call))

    def _run(self, call):
        try:
            return self._send(call)
        except ServingError as error:
            diagnosis = self._calls.diagnosis_call(call.rpc, error.code, error.details)
            if diagnosis is None:
                raise
            try:
                available = self._send(diagnosis)
            except ServingError:
                raise error from error.__cause__
            raise self._error(
                error.code, error.details, available, call.part
            ) from error.__cause__

    def _send(self, call, timeout=None):
        self._check_open()
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        stub = self._stubs[call.rpc]
        try:
            try:
                response = stub(call.request, timeout=end - time.monotonic())
            except grpc.RpcError as error:
                if not self._may_ask_again(error):
                    raise
                response = stub(call.request, timeout=end - time.monotonic())
        except grpc.RpcError as error:
            raise self._error_from_grpc(error, call.part) from error
        return self._parse(call, response)
