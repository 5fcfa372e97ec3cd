"""Actions of a user of the attention explorer, and outputs of its server."""

import httpx
import numpy as np

from keras_attn.translation import SOURCE_OUTPUTS, Token, Translation

SENTENCE = "der kleine Hund schläft"

# Returns policy, style and script of an HTML page, and all that it shows.
READ_PAGE = """
(html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const attributes = (e) => [...e.attributes].map((a) => `${a.name}=${a.value}`).sort();
  return [
    page.querySelector("meta[http-equiv]").content,
    page.querySelector("style").textContent,
    page.querySelector("script").textContent,
    [...page.querySelectorAll("body *:not(script)")].map((e) => [
      e.localName,
      e.children.length ? "" : e.textContent,
      ...attributes(e),
    ]),
  ];
}
"""


def ask(page, text=SENTENCE):
    page.get_by_label("Sentence", exact=True).fill(text)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.wait_for_selector("#panel .word")


def words(page, side):
    return page.locator(f"#panel .word[data-side={side}]")


def shades(page, side):
    return words(page, side).evaluate_all(
        "all => all.map(word => Number(word.style.getPropertyValue('--w')))"
    )


def predict(base, signature, **inputs):
    body = {
        "signature_name": signature,
        "inputs": {name: [text] for name, text in inputs.items()},
    }
    answer = httpx.post(f"{base}/v1/models/translator:predict", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["outputs"]


def translation(outputs, source, text=None, k=None):
    """The `Translation` of one answer, cut by hand."""
    one = {name: values[0] for name, values in outputs.items()}
    if k is not None:
        one |= {n: v[k] for n, v in one.items() if not n.startswith(SOURCE_OUTPUTS)}
    s, t = one["source_length"], one["target_length"]

    def tokens(side, length):
        columns = (one[f"{side}_{name}"] for name in ("tokens", "begin", "end"))
        return tuple(map(Token, *(column[:length] for column in columns)))

    return Translation(
        source=source,
        text=one["translation"] if text is None else text,
        score=one["score"],
        source_tokens=tokens("source", s),
        target_tokens=tokens("target", t),
        token_scores=np.float32(one["token_scores"][:t]),
        attention=np.array(one["attention"])[:t, :s],
        source_truncated=one["source_truncated"],
        target_truncated=bool(one["target_truncated"]),
        alignment=np.array(one["alignment"])[:t, :s] if "alignment" in one else None,
    )


def best(base, source):
    return translation(predict(base, "nbest", text=source), source, k=0)
