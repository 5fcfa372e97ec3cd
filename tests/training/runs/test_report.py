"""The report page of a run: finished, with hostile sentences, or killed."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from tiny_run import TINY

from keras_attn.training.corpora import SentencePair
from keras_attn.training.evaluation.scores import cited_scores
from keras_attn.training.recipes import load_recipe
from keras_attn.training.runs.report_page import report_html
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.training.runs.run_record import read_run
from keras_attn.translation import Token, Translation

HOSTILE = "</script><script>alert(1)</script> \u2028 <b> &amp; \u202e \ud800"
RECIPE = load_recipe("demo").override(TINY)


def sample(epoch, source, text):
    tokens = {
        side: tuple([Token("▁w", 0, 1)] * count + [Token("</s>", 1, 1)])
        for side, count in (("source", 2), ("target", 1))
    }
    translation = Translation(
        source=source,
        text=text,
        score=-1.5,
        source_tokens=tokens["source"],
        target_tokens=tokens["target"],
        token_scores=np.float32([-1, -0.5]),
        attention=np.float32([[0.75, 0.25, 0], [0, 0, 1]]),
    )
    return {"epoch": epoch, "reference": "the reference", **translation.to_dict()}


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "my run")
    run.path.mkdir()
    run.begin(RECIPE)
    history = []
    for epoch in (1, 2):
        metrics = {"loss": 4 / epoch, "val_loss": 3 / epoch, "perplexity": 9.0}
        history.append({"epoch": epoch, **metrics, "val_perplexity": 8.0})
        run.write_history(history)
        for source in ("ein Hund", HOSTILE):
            run.append_sample(sample(epoch, source, f"translation {epoch}"))
    return run


class Checker(HTMLParser):
    """Collects tags, links and text; fails where tags do not nest."""

    VOID = ("meta", "line", "polyline")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href", "srcset", "action", "data"):
                self.links.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def page_of(run):
    page = report_html(read_run(run.path))
    checker = Checker(page)
    return page, checker, " ".join(" ".join(checker.words).split())


def test_a_page_describes_the_run(run):
    run.translator.write_bytes(b"")
    run.write_report({"best_epoch": 2, "validation": {"loss": 1.5}, "params": 1234})
    _, checker, words = page_of(run)
    assert "Run my run" in words
    assert "Finished after 2 of 2 epochs; the best one is epoch 2" in words
    assert checker.tags.count("svg") == 2  # loss and perplexity alone
    assert "model.embedding_dim 16 256" in words  # not the default
    assert "corpus.kind builtin must be set" in words
    assert "training.weight_decay" not in words.partition("All options")[0]
    assert f"keras {keras.__version__}" in words
    assert "params 1234" in words
    assert "translation 1" in words
    assert (
        words.count("log p = -1.50") == 2
    )  # one map for each sentence, of the last epoch


def test_a_page_loads_nothing_and_runs_only_its_own_script(run):
    page, checker, _ = page_of(run)
    assert not checker.links
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "url(" not in page
    assert checker.tags.count("script") == 1
    assert checker.tags.count("style") == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    for tag in ("script", "style"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest())
        assert f"'sha256-{digest.decode()}'" in policy
    assert "default-src 'none'" in policy
    for media in ("prefers-color-scheme: dark", "@media print"):
        assert media in page
    page.encode("utf-8")


def test_scores_are_those_of_the_last_evaluation(run):
    assert "keras-attn evaluate adds them" in page_of(run)[2]
    pair = SentencePair("ein Hund", "the dog sees a cat")
    for output in ("the dog", "the dog sees a red cat"):
        scores = cited_scores([pair, pair], [output, output])
        values = {"data": "test", "beam_size": 5, "length_penalty": 1.0, "sentences": 2}
        run.append_scores({**values, **scores})
    run.append_scores({**values, "mbr": 8, **scores})
    sampled = {"data": "test", "temperature": 0.7, "seed": 0, "sentences": 2}
    run.append_scores({**sampled, **scores})
    run.append_scores({**sampled, "mbr": 4, **scores})
    _, _, words = page_of(run)
    assert f"test beam 5 2 {scores['bleu']:.1f} ± 0.0" in words
    assert scores["bleu_signature"] in words
    assert words.count("test beam 5 2") == 1
    for search in ("MBR of 8", "sample", "MBR of 4 samples"):
        assert f"test {search} 2" in words


def test_a_killed_run_is_shown_up_to_its_last_epoch(run):
    for path in (run.history, run.samples):
        with open(path, "a") as lines:
            lines.write('{"epoch": 3, "loss": 1.')  # cut in the middle
    _, _, words = page_of(run)
    assert "Not finished: 2 of 2 epochs so far." in words
    assert [epoch["epoch"] for epoch in read_run(run.path).history] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.jsonl", b'{"loss": 1}\n'),
        ("scores.jsonl", b'{"data": []}\n'),
        ("samples.jsonl", b'{"epoch": 1, "reference": ""}\n'),
        ("environment.json", b'{"keras'),
        ("report.json", b"\xff\xfe"),
    ],
)
def test_a_damaged_file_is_named(run, name, content):
    (run.path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"Received: .*my run/{name}, which is dam"):
        read_run(run.path)


def test_half_lines_of_killed_processes_leave_the_page(run):
    _, _, before = page_of(run)
    for path in (run.samples, run.scores):
        with open(path, "ab") as file:
            file.write(b'{"epoch": 2, "ref\n' + bytes(30) + b"\n\xff\n{")
    lines = []
    record = read_run(run.path, lines.append)
    assert [line.partition(" is damaged")[0] for line in lines] == [
        str(run.scores),
        str(run.samples),
    ]
    assert record.samples.keys() == {"ein Hund", HOSTILE}
    _, _, after = page_of(run)
    assert after == before


def test_a_run_without_an_epoch_has_a_page(tmp_path):
    run = RunFolder(tmp_path)
    run.write_text(run.recipe, RECIPE.to_toml())
    _, _, words = page_of(run)
    assert "Not finished: 0 of 2 epochs" in words
    assert "No epoch is finished yet" in words
    assert "training.samples=3" in words


def test_samples_come_back_as_they_were(run):
    samples = read_run(run.path).samples["ein Hund"]
    assert [(epoch, reference) for epoch, reference, _ in samples] == [
        (1, "the reference"),
        (2, "the reference"),
    ]
    expected = sample(2, "ein Hund", "translation 2")
    assert json.loads(json.dumps(samples[-1][2].to_dict())) == {
        name: value
        for name, value in expected.items()
        if name not in ("epoch", "reference")
    }


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds a recipe\.toml.*Received"):
        read_run(tmp_path)
