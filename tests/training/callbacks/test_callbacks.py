"""A training that is watched: BLEU, samples and TensorBoard are of the model itself."""

import json
import struct

import numpy as np
import pytest
import sacrebleu
import tensorflow as tf
from tiny_run import TINY

from keras_attn import Translator
from keras_attn.training.callbacks import EventFile, WatchTranslations
from keras_attn.training.callbacks.tensorboard import _markdown
from keras_attn.training.corpora import SentencePair
from keras_attn.training.fit import fit
from keras_attn.training.loop.training_loop import _is_done, best_epoch
from keras_attn.training.loop.training_state import Progress
from keras_attn.training.recipes import RecipeError, TrainingOptions, load_recipe
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import Token, Translation

PAIRS = 6
WATCHED = load_recipe("demo").override(
    [
        *TINY,
        "corpus.train_pairs=64",
        f"corpus.validation_pairs={PAIRS}",
        f"training.samples={PAIRS}",
        "training.validation_bleu=1",
        "training.best_by=bleu",
        "training.tensorboard=true",
    ]
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "watched"
    told = []
    report = fit(WATCHED, folder, told.append)
    return RunFolder(folder), report, told


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def samples(run, epoch):
    return [each for each in lines(run.samples) if each["epoch"] == epoch]


def test_bleu_is_of_the_translations_of_its_epoch(watched):
    run, _, _ = watched
    for epoch in lines(run.history):
        found = samples(run, epoch["epoch"])
        assert len(found) == PAIRS
        texts, references = (
            [each[name] for each in found] for name in ("text", "reference")
        )
        wanted = sacrebleu.corpus_bleu(texts, [references]).score
        assert epoch["val_bleu"] == pytest.approx(wanted)


def test_the_best_epoch_is_that_of_the_highest_bleu_and_is_saved(watched):
    run, report, _ = watched
    bleus = [epoch["val_bleu"] for epoch in lines(run.history)]
    assert report["best_epoch"] == bleus.index(max(bleus)) + 1
    assert report["validation"]["bleu"] == max(bleus)
    # What was translated while training is what the saved translator says.
    best = samples(run, report["best_epoch"])
    answers = Translator.load(run.translator).translate(
        [each["source"] for each in best], beam_size=1
    )
    for each, answer in zip(best, answers, strict=True):
        assert each["text"] == answer.text
        np.testing.assert_allclose(each["attention"], answer.attention, atol=1e-4)


def test_people_see_the_samples(watched):
    run, _, told = watched
    for each in lines(run.samples):
        shown = [line for line in told if each["source"] in line]
        assert any(each["text"] in line for line in shown)
        assert any(each["reference"] in line for line in shown)


def summaries(folder):
    [path] = folder.iterdir()
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            yield event.step, value


def test_tensorboard_gets_the_figures_of_the_history(watched):
    run, _, _ = watched
    found = {}
    for side, prefix in (("train", ""), ("validation", "val_")):
        for step, value in summaries(run.tensorboard / side):
            if value.HasField("simple_value"):
                found[step, prefix + value.tag] = value.simple_value
    for epoch in lines(run.history):
        step = epoch["epoch"]
        for name in set(epoch) - {"epoch", "seconds", "tokens_per_second"}:
            assert found.pop((step, name)) == pytest.approx(epoch[name], rel=1e-6)
        assert found.pop((step, "tokens_per_second")) > 0
        rate = found.pop((step, "learning_rate"))
        assert 0 <= rate <= WATCHED.training.learning_rate * (1 + 1e-6)  # float32
    assert not found


def test_tensorboard_gets_a_map_and_a_text_for_each_sample(watched):
    run, report, _ = watched
    values = list(summaries(run.tensorboard / "validation"))
    pictures = [v.image for _, v in values if v.tag.endswith("/attention")]
    assert len(pictures) == PAIRS * report["epochs"]
    for picture in pictures:
        pixels = tf.io.decode_png(picture.encoded_image_string).numpy()
        assert pixels.shape[:2] == (picture.height, picture.width)
        assert pixels.std() > 0
    texts = [v for _, v in values if v.metadata.plugin_data.plugin_name == "text"]
    assert len(texts) == PAIRS * report["epochs"]
    [shown] = tf.make_ndarray(texts[0].tensor)
    assert samples(run, 1)[0]["reference"] in shown.decode().replace("\\", "")


def test_an_event_file_begins_as_tensorboard_wants(tmp_path):
    events = EventFile(tmp_path / "new" / "train")
    events.scalar("a", 1.5, step=3)
    events.flush()  # readable before it is closed
    [path] = (tmp_path / "new" / "train").iterdir()
    assert "tfevents" in path.name
    first, second = tf.compat.v1.train.summary_iterator(str(path))
    assert first.file_version == "brain.Event:2"
    assert (second.step, second.summary.value[0].simple_value) == (3, 1.5)
    events.close()
    # A TFRecord: length, its checksum, then the bytes.
    [length] = struct.unpack("<Q", path.read_bytes()[:8])
    assert length == len(first.SerializeToString())


def answered(source, text):
    end = (Token("</s>", 0, 0),)
    zero, one = np.zeros(1, "float32"), np.ones((1, 1), "float32")
    return Translation(source, text, 0.0, end, end, zero, one)


def test_no_text_breaks_out_of_its_cell():
    answer = answered("a|b\nc <i>&", "`x` ![](y)")
    table = _markdown("\u2028", answer)
    assert len(table.splitlines()) == 5
    assert "| a\\|b c \\<i\\>\\& |" in table
    assert "\\`x\\` !\\[\\](y)" in table


@pytest.mark.parametrize(("by", "best"), [("bleu", 3), ("loss", 5)])
def test_best_by(by, best):
    bleus = [10.0, None, 12.0, None, 11.0]
    history = [
        {"val_loss": 2.0 - epoch / 10} | ({} if bleu is None else {"val_bleu": bleu})
        for epoch, bleu in enumerate(bleus)
    ]
    assert best_epoch(history, by) == best
    assert best_epoch([], by) == 0
    assert best_epoch([{"val_loss": 1.0}], "bleu") == 0
    # Two epochs after the best one, but not before there is another BLEU.
    options = TrainingOptions(patience=2, best_by=by, validation_bleu=2, epochs=9)
    done = [
        _is_done(Progress(history=history[:epochs]), options) for epochs in range(6)
    ]
    assert done == [False] * 5 + [by == "bleu"]


def test_best_by_bleu_needs_a_bleu():
    with pytest.raises(RecipeError, match=r"Set training\.validation_bleu=1"):
        WATCHED.override(["training.validation_bleu=none"])


class Copies:
    """Translates every text into itself."""

    def translate(self, texts, beam_size):
        assert beam_size == 1
        return [answered(text, text) for text in texts]


def test_bleu_comes_in_the_first_every_nth_and_last_epoch(tmp_path):
    told = []
    watch = WatchTranslations(
        Copies(),
        [SentencePair(text, text) for text in ("a b c d", "e f g h", "i j k l")],
        every=3,
        samples=2,
        run=RunFolder(tmp_path),
        log=told.append,
    )
    watch.set_params({"epochs": 6})
    epochs = [{"val_loss": 1.0} for _ in range(6)]
    for epoch, logs in enumerate(epochs):
        watch.on_epoch_end(epoch, logs)
    assert [round(logs.get("val_bleu", 0)) for logs in epochs] == [
        100,
        0,
        0,
        100,
        0,
        100,
    ]
    # The same two in every epoch, far apart in the split.
    assert [answer.source for _, answer in watch.latest] == ["a b c d", "e f g h"]
    assert len(lines(RunFolder(tmp_path).samples)) == 2 * 6
    assert told[:2] == ["after epoch 1:", "  a b c d\n    -> a b c d\n    =  a b c d"]
