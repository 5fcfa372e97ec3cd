"""Callbacks: BLEU, samples and TensorBoard are of the model in training itself."""

import struct

import numpy as np
import pytest
import sacrebleu
import tensorflow as tf
from tiny_run import read_lines

from keras_attn import Translator
from keras_attn.training.callbacks.sample_translations import SampleTranslations
from keras_attn.training.callbacks.tensorboard import EventFile, _markdown_table
from keras_attn.training.corpora import SentencePair
from keras_attn.training.loop.training_loop import _is_done, best_epoch
from keras_attn.training.loop.training_state import TrainingProgress
from keras_attn.training.recipes import RecipeError, TrainingOptions, load_recipe
from keras_attn.training.runs.run_folder import RunFolder
from keras_attn.translation import Token, Translation

PAIRS, EPOCHS = 3, 3  # of the shared run


@pytest.fixture(scope="module")
def run(trained_run):
    return RunFolder(trained_run.folder)


def samples(run, epoch):
    return [line for line in read_lines(run.samples) if line["epoch"] == epoch]


def test_bleu_is_of_the_translations_of_its_epoch(run):
    for metrics in read_lines(run.history):
        epoch_samples = samples(run, metrics["epoch"])
        assert len(epoch_samples) == PAIRS
        texts, references = (
            [sample[name] for sample in epoch_samples] for name in ("text", "reference")
        )
        bleu = sacrebleu.corpus_bleu(texts, [references]).score
        assert metrics["val_bleu"] == pytest.approx(bleu)


def test_the_epoch_of_the_highest_bleu_is_saved(run, trained_run):
    report = trained_run.report
    bleus = [metrics["val_bleu"] for metrics in read_lines(run.history)]
    assert report["best_epoch"] == bleus.index(max(bleus)) + 1
    assert report["validation"]["bleu"] == max(bleus)
    # The saved translator translates as the model did in training.
    best = samples(run, report["best_epoch"])
    translations = Translator.load(run.translator).translate(
        [sample["source"] for sample in best], beam_size=1
    )
    for sample, translation in zip(best, translations, strict=True):
        assert sample["text"] == translation.text
        np.testing.assert_allclose(
            sample["attention"], translation.attention, atol=1e-4
        )


def test_samples_are_logged(run, trained_run):
    log = trained_run.log
    for sample in read_lines(run.samples):
        shown = f"  {sample['source']}\n    -> {sample['text']}\n"
        assert f"{shown}    =  {sample['reference']}\n" in log


def summaries(folder):
    [path] = folder.iterdir()
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            yield event.step, value


def test_tensorboard_gets_the_metrics_of_the_history(run):
    scalars = {}
    for side, prefix in (("train", ""), ("validation", "val_")):
        for step, value in summaries(run.tensorboard / side):
            if value.HasField("simple_value"):
                scalars[step, prefix + value.tag] = value.simple_value
    highest_rate = load_recipe(run.recipe).training.learning_rate
    for metrics in read_lines(run.history):
        step = metrics["epoch"]
        for name in set(metrics) - {"epoch", "seconds", "tokens_per_second"}:
            assert scalars.pop((step, name)) == pytest.approx(metrics[name], rel=1e-6)
        assert scalars.pop((step, "tokens_per_second")) > 0
        rate = scalars.pop((step, "learning_rate"))
        assert 0 <= rate <= highest_rate * (1 + 1e-6)  # float32
    assert not scalars


def test_tensorboard_gets_a_map_and_a_text_for_each_sample(run):
    values = list(summaries(run.tensorboard / "validation"))
    images = [v.image for _, v in values if v.tag.endswith("/attention")]
    assert len(images) == PAIRS * EPOCHS
    for image in images:
        pixels = tf.io.decode_png(image.encoded_image_string).numpy()
        assert pixels.shape[:2] == (image.height, image.width)
        assert pixels.std() > 0
    texts = [v for _, v in values if v.metadata.plugin_data.plugin_name == "text"]
    assert len(texts) == PAIRS * EPOCHS
    [text] = tf.make_ndarray(texts[0].tensor)
    assert samples(run, 1)[0]["reference"] in text.decode().replace("\\", "")


def test_an_event_file_begins_as_tensorboard_wants(tmp_path):
    events = EventFile(tmp_path / "new" / "train")
    events.write_scalar("a", 1.5, step=3)
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


def test_a_damaged_event_file_stays_beside_that_of_the_resumed_run(tmp_path):
    damaged = tmp_path / "events.out.tfevents.1.keras-attn"
    damaged.write_bytes(b"\xff" * 30)  # claims a record of 2**64 bytes
    events = EventFile(tmp_path)
    events.write_scalar("a", 1.5, step=3)
    events.close()
    [new] = set(tmp_path.iterdir()) - {damaged}
    assert len(list(tf.compat.v1.train.summary_iterator(str(new)))) == 2
    assert damaged.read_bytes() == b"\xff" * 30


def translation_of(source, text):
    end = (Token("</s>", 0, 0),)
    zero, one = np.zeros(1, "float32"), np.ones((1, 1), "float32")
    return Translation(source, text, 0.0, end, end, zero, one)


def test_no_text_breaks_out_of_its_table_cell():
    translation = translation_of("a|b\nc <i>&", "`x` ![](y)")
    table = _markdown_table("\u2028", translation)
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
        _is_done(TrainingProgress(history=history[:epochs]), options)
        for epochs in range(6)
    ]
    assert done == [False] * 5 + [by == "bleu"]


def test_best_by_bleu_needs_a_bleu():
    with pytest.raises(RecipeError, match=r"Set training\.validation_bleu=1"):
        load_recipe("demo").override(
            ["training.best_by=bleu", "training.validation_bleu=none"]
        )


class CopyingTranslator:
    """Translates every text into itself."""

    def translate(self, texts, beam_size):
        assert beam_size == 1
        return [translation_of(text, text) for text in texts]


def test_bleu_comes_in_the_first_every_nth_and_last_epoch(tmp_path):
    lines = []
    callback = SampleTranslations(
        CopyingTranslator(),
        [SentencePair(text, text) for text in ("a b c d", "e f g h", "i j k l")],
        bleu_every=3,
        samples=2,
        run=RunFolder(tmp_path),
        log=lines.append,
    )
    callback.set_params({"epochs": 6})
    epochs = [{"val_loss": 1.0} for _ in range(6)]
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_end(epoch, logs)
    assert [round(logs.get("val_bleu", 0)) for logs in epochs] == [
        100,
        0,
        0,
        100,
        0,
        100,
    ]
    # The same two in every epoch, far apart in the split.
    assert [translation.source for _, translation in callback.latest] == [
        "a b c d",
        "e f g h",
    ]
    assert len(read_lines(RunFolder(tmp_path).samples)) == 2 * 6
    assert lines[:2] == ["after epoch 1:", "  a b c d\n    -> a b c d\n    =  a b c d"]
