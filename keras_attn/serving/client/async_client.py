"""The asyncio client of a model server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import numpy as np

from keras_attn.serving.client.base import (
    POLL_SECONDS,
    BaseClient,
    ClientOptions,
    Readiness,
)
from keras_attn.serving.client.calls import join_parts
from keras_attn.serving.client.errors import ServingError
from keras_attn.serving.client.server_info import SignatureInfo, VersionStatus
from keras_attn.serving.signature import TRANSLATE
from keras_attn.translation import Translation

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncClient"]


class AsyncClient(BaseClient):
    """A `Client` whose methods are awaited.

    It belongs to the event loop in which it is first used, and may be shared by the
    tasks of that loop.

    Args:
        target: As for `Client`.
        concurrency: Maximum number of concurrent requests of one method call.
        **options: As for `Client`.

    Raises:
        TypeError: As for `Client`.
        ValueError: As for `Client`, and if `concurrency` is not positive.
        OSError: As for `Client`.

    Example (against a server on this machine):

        async with AsyncClient("127.0.0.1:8500") as client:
            for translation in await client.translate(["ein Hund", "zwei Hunde"]):
                print(translation.text)
    """

    _grpc = grpc.aio

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        concurrency: int = 4,
        **options: Unpack[ClientOptions],
    ) -> None:
        if concurrency < 1:
            raise ValueError(
                "`concurrency` must be positive. "
                f"Received: concurrency={concurrency!r}."
            )
        super().__init__(target, **options)
        self._concurrency = concurrency

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls that wait for a response fail."""
        self._closed = True
        await self._channel.close()

    async def translate(
        self,
        texts: Sequence[str],
        *,
        max_length: int | Sequence[int] | None = None,
        length_penalty: float | Sequence[float] | None = None,
        prefixes: Sequence[str] | None = None,
        required: Sequence[Sequence[str]] | None = None,
        attention: bool = True,
    ) -> list[Translation]:
        """Like `Client.translate`."""
        return await self._run_all(
            self._calls.translate(
                texts,
                max_length=max_length,
                length_penalty=length_penalty,
                prefixes=prefixes,
                required=required,
                attention=attention,
            )
        )

    async def translate_words(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[Translation]:
        """Like `Client.translate_words`."""
        return await self._run_all(
            self._calls.translate_words(texts, attention=attention)
        )

    async def nbest(
        self, texts: Sequence[str], *, attention: bool = True
    ) -> list[list[Translation]]:
        """Like `Client.nbest`."""
        return await self._run_all(self._calls.nbest(texts, attention=attention))

    async def align(
        self,
        texts: Sequence[str],
        targets: Sequence[str],
        *,
        attention: bool = True,
    ) -> list[Translation]:
        """Like `Client.align`."""
        return await self._run_all(
            self._calls.align(texts, targets, attention=attention)
        )

    async def predict(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        signature: str = TRANSLATE.name,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Like `Client.predict`."""
        return await self._run(self._calls.predict(inputs, signature, outputs))

    async def status(self) -> list[VersionStatus]:
        """Like `Client.status`."""
        return await self._run(self._calls.status())

    async def metadata(self) -> dict[str, SignatureInfo]:
        """Like `Client.metadata`."""
        return await self._run(self._calls.metadata())

    async def wait_until_ready(self, timeout: float = 60.0) -> VersionStatus:
        """Like `Client.wait_until_ready`."""
        readiness = Readiness(timeout)
        while seconds := readiness.seconds_left():
            try:
                versions = await self._send(
                    self._calls.status(), timeout=min(seconds, self._timeout)
                )
            except ServingError as error:
                readiness.record_failure(error)
            else:
                newest = readiness.newest_available(versions)
                if newest is not None:
                    return newest
            await asyncio.sleep(min(POLL_SECONDS, readiness.seconds_left()))
        raise self._error("DEADLINE_EXCEEDED", str(readiness)) from readiness.cause

    async def _run_all(self, calls):
        """Runs calls concurrently; the first failure cancels the others."""
        calls = iter(calls)
        results = []  # a list for each call, in order

        async def work():
            for call in calls:  # shared: each worker takes the next one
                position = len(results)
                results.append([])
                results[position] = await self._run(call)

        workers = [asyncio.create_task(work()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return join_parts(item for result in results for item in result)

    async def _run(self, call):
        try:
            return await self._send(call)
        except ServingError as error:
            diagnosis = self._calls.diagnosis_call(call.rpc, error.code, error.details)
            if diagnosis is None:
                raise
            try:
                available = await self._send(diagnosis)
            except ServingError:
                raise error from error.__cause__
            raise self._error(
                error.code, error.details, available, call.part
            ) from error.__cause__

    async def _send(self, call, timeout=None):
        self._check_open()
        end = time.monotonic() + (self._timeout if timeout is None else timeout)
        stub = self._stubs[call.rpc]
        try:
            try:
                response = await stub(call.request, timeout=end - time.monotonic())
            except grpc.RpcError as error:
                if not self._may_ask_again(error):
                    raise
                response = await stub(call.request, timeout=end - time.monotonic())
        except grpc.RpcError as error:
            raise self._error_from_grpc(error, call.part) from error
        return self._parse(call, response)
