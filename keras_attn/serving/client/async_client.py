"""Ask a server for translations from asyncio."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType

import grpc
import grpc.aio
import numpy as np

from keras_attn.serving.client.base import BaseClient, Readiness
from keras_attn.serving.client.errors import ServingError
from keras_attn.serving.client.values import SignatureInfo, VersionStatus
from keras_attn.serving.signature import TRANSLATE
from keras_attn.translation import Translation

__all__ = ["AsyncClient"]

_POLL_SECONDS = 0.1


class AsyncClient(BaseClient):
    """A `Client` whose methods are awaited.

    It belongs to the event loop in which it is first used, and may be shared by that
    loop's tasks.

    Args:
        target: As `Client` takes it.
        concurrency: Most requests that one call of a method has under way.
        **options: Those of `Client`.

    Raises:
        TypeError: As `Client` does.
        ValueError: As `Client` does, and if `concurrency` is not positive.
        OSError: As `Client` does.

    Example (against a server on this machine):

        async with AsyncClient("127.0.0.1:8500") as client:
            for translation in await client.translate(["ein Hund", "zwei Hunde"]):
                print(translation.text)
    """

    _grpc = grpc.aio

    def __init__(self, target: str | Sequence[str], *, concurrency: int = 4, **options):
        if concurrency < 1:
            raise ValueError(
                "`concurrency` must be positive. "
                f"Received: concurrency={concurrency!r}."
            )
        super().__init__(target, **options)
        self._concurrency = concurrency

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls still waiting for an answer fail."""
        self._closed = True
        await self._channel.close()

    async def translate(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None = None,
        length_penalty: float | Sequence[float] | None = None,
        attention: bool = True,
    ) -> list[Translation]:
        """Translates texts as `Client.translate` does."""
        if max_length is None and length_penalty is None:
            return await self._join(self._calls.translate(texts, attention=attention))
        return await self._join(
            self._calls.translate_options(
                texts,
                max_length=max_length,
                length_penalty=length_penalty,
                attention=attention,
            )
        )

    async def translate_words(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[Translation]:
        """Translates texts and tells of words, as `Client.translate_words` does."""
        return await self._join(self._calls.translate_words(texts, attention=attention))

    async def nbest(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[list[Translation]]:
        """Finds several translations of each text, as `Client.nbest` does."""
        return await self._join(self._calls.nbest(texts, attention=attention))

    async def align(
        self,
        texts: Sequence[str],
        targets: Sequence[str],
        *,
        attention: bool = True,
    ) -> list[Translation]:
        """Scores given translations, as `Client.align` does."""
        return await self._join(self._calls.align(texts, targets, attention=attention))

    async def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        signature: str = TRANSLATE.name,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Runs one signature on tensors as `Client.predict` does."""
        return await self._run(self._calls.predict(inputs, signature, outputs))

    async def status(self) -> list[VersionStatus]:
        """Returns what the server knows of each version, as `Client.status` does."""
        return await self._run(self._calls.status())

    async def metadata(self) -> dict[str, SignatureInfo]:
        """Returns the model's signatures by name, as `Client.metadata` does."""
        return await self._run(self._calls.metadata())

    async def wait_until_ready(self, timeout: float = 60.0) -> VersionStatus:
        """Waits for the model to be served, as `Client.wait_until_ready` does."""
        readiness = Readiness(timeout)
        while left := readiness.left():
            try:
                versions = await self._send(
                    self._calls.status(), timeout=min(left, self._timeout)
                )
            except ServingError as error:
                readiness.failed(error)
            else:
                if (found := readiness.newest(versions)) is not None:
                    return found
            await asyncio.sleep(min(_POLL_SECONDS, readiness.left()))
        raise self._failure("DEADLINE_EXCEEDED", str(readiness)) from readiness.cause

    async def _join(self, calls):
        """Runs calls side by side; the first that fails ends the others."""
        calls = iter(calls)
        answers = {}  # lists by position

        async def work():
            for call in calls:  # shared: each worker takes the next one
                position = len(answers)
                answers[position] = []
                answers[position] = await self._run(call)

        workers = [asyncio.create_task(work()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [each for _, answer in sorted(answers.items()) for each in answer]

    async def _run(self, call):
        try:
            return await self._send(call)
        except ServingError as error:
            inquiry = self._calls.inquiry(call.rpc, error.code, error.details)
            if inquiry is None:
                raise
            try:
                found = await self._send(inquiry)
            except ServingError:
                raise error from error.__cause__
            raise self._failure(error.code, error.details, found) from error.__cause__

    async def _send(self, call, timeout=None):
        self._check_open()
        try:
            response = await self._stubs[call.rpc](
                call.request, timeout=self._timeout if timeout is None else timeout
            )
        except grpc.RpcError as error:
            raise self._refusal(error) from error
        return self._read(call, response)
