"""The asyncio client returns what the sync client returns."""

import asyncio
import time

import grpc
import numpy as np
import pytest

from keras_attn.serving.client import AsyncClient, Client, ServingError

TEXTS = ["a b c", "d", "", "e f", "g h i j k", "\ud800x"]


def ask(address, use, **options):
    """Runs the coroutine function `use(client)` in a new event loop."""

    async def run():
        async with AsyncClient(address, **options) as client:
            return await use(client)

    return asyncio.run(run())


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_translations_are_those_of_the_sync_client(toy_server, batch_size, concurrency):
    options = {"batch_size": batch_size, "concurrency": concurrency}
    translations = ask(toy_server.address, lambda c: c.translate(TEXTS), **options)
    with Client(toy_server.address) as client:
        expected = client.translate(TEXTS)
    assert [t.to_dict() for t in translations] == [t.to_dict() for t in expected]


def test_no_texts_need_no_server():
    assert ask("127.0.0.1:1", lambda c: c.translate([])) == []


def test_status_metadata_and_predict(toy_server):
    async def everything(client):
        return (
            await client.wait_until_ready(5),
            await client.status(),
            await client.metadata(),
            await client.predict({"text": np.array(["a"])}, outputs=["score"]),
        )

    ready, status, metadata, outputs = ask(toy_server.address, everything)
    with Client(toy_server.address) as client:
        assert [ready] == status == client.status()
        assert metadata == client.metadata()
    assert outputs == {"score": [-2.0]}


def test_tasks_share_a_client(toy_server):
    async def many(client):
        calls = [client.translate([f"w{n} x"]) for n in range(20)]
        return [one.text for (one,) in await asyncio.gather(*calls)]

    assert ask(toy_server.address, many) == [f"X W{n}" for n in range(20)]


def test_requests_run_concurrently(toy_server):
    steps = {"steps": np.int64([2**60])}

    async def slow(client):
        calls = (client.predict(steps, signature="slow") for _ in range(2))
        begin = time.monotonic()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        return errors, time.monotonic() - begin

    errors, seconds = ask(toy_server.address, slow, timeout=0.5)
    assert [error.code for error in errors] == ["DEADLINE_EXCEEDED"] * 2
    assert seconds < 1.0


def test_one_failure_ends_the_call(toy_server):
    async def too_long(client):
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
            await client.translate(["a " * 200, *["b"] * 50])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        return [task for task in others if not task.done()]

    options = {"max_message_bytes": 2000, "batch_size": 1}
    assert ask(toy_server.address, too_long, **options) == []


def test_a_call_can_be_cancelled(toy_server):
    async def cancelled(client):
        steps = {"steps": np.int64([2**60])}
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.predict(steps, signature="slow"), 0.2)
        return await client.translate(["still here"])

    (translation,) = ask(toy_server.address, cancelled, timeout=1)
    assert translation.text == "HERE STILL"


def test_errors_name_what_is_available(toy_server):
    async def unknown(client):
        with pytest.raises(ServingError) as error:
            await client.translate(["a"])
        return error.value

    error = ask(toy_server.address, unknown, version=3)
    assert error.code == "NOT_FOUND"
    assert error.available == "Versions on the server: version 1 AVAILABLE."
    assert isinstance(error.__cause__, grpc.RpcError)
    assert ask(toy_server.address, unknown, model="nope").available == ""


def test_a_closed_client_says_so(toy_server):
    async def close(client):
        await client.close()
        with pytest.raises(ValueError, match="a closed client of 127"):
            await client.translate(["a"])

    ask(toy_server.address, close)


def test_gives_up_on_a_server_that_does_not_come():
    async def wait(client):
        with pytest.raises(ServingError, match="last seen: UNAVAILABLE"):
            await client.wait_until_ready(0.3)

    ask("127.0.0.1:9", wait)


def test_concurrency_must_be_positive():
    with pytest.raises(ValueError, match="concurrency=0"):
        AsyncClient("127.0.0.1:1", concurrency=0)


def test_a_long_text_comes_back_whole(toy_server):
    texts = ["Ja ja.\n\nNein nein. Doch doch!", "a b"]
    options = {"batch_bytes": 12}
    translations = ask(toy_server.address, lambda c: c.translate(texts), **options)
    with Client(toy_server.address, **options) as client:
        expected = client.translate(texts)
    assert [t.to_dict() for t in translations] == [t.to_dict() for t in expected]
    with pytest.raises(ServingError, match=r"bytes \d+ to \d+ of texts\[0\]"):
        ask(toy_server.address, lambda c: c.translate(texts[:1]), version=9, **options)
