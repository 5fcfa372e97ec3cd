"""Writes the losses that all backends must reach: tests/conformance/losses.json.

Run it on the backend that is to be the reference, from the repository:

    KERAS_BACKEND=tensorflow PYTHONPATH=.:tests/support .venv/bin/python \
        tests/conformance/scripts/record_losses.py
"""

import json
import pathlib

import backend_agreement

if __name__ == "__main__":
    found = {
        "made_by": backend_agreement.versions(),
        "losses": {
            name: backend_agreement.losses(name)
            for name in backend_agreement.OPTIMIZERS
        },
    }
    path = pathlib.Path(__file__).parents[1] / "losses.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(path)
