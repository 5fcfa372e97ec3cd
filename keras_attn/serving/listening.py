"""The line by which a server says that it answers, whichever engine it is."""

import json

__all__ = ["listening_line"]


def listening_line(
    address: str, model: str, version: int, rest: str | None, as_json: bool = False
) -> str:
    """Returns what a script reads to learn the ports.

    Args:
        address: `HOST:PORT` of gRPC.
        model: The model's name.
        version: The version that is served.
        rest: `HOST:PORT` of REST; `None`: there is none.
        as_json: Whether as an object in JSON.

    Example:

    >>> print(listening_line("127.0.0.1:8500", "translator", 3, "127.0.0.1:8501"))
    listening on 127.0.0.1:8500 model=translator version=3 rest=127.0.0.1:8501
    >>> print(listening_line("127.0.0.1:8500", "translator", 3, None, as_json=True))
    {"address": "127.0.0.1:8500", "model": "translator", "version": 3, "rest": null}
    """
    if as_json:
        found = {"address": address, "model": model, "version": version, "rest": rest}
        return json.dumps(found)
    line = f"listening on {address} model={model} version={version}"
    return f"{line} rest={rest}" if rest else line
