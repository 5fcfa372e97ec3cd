import dataclasses
import json

import pytest
import tiny

from keras_attn import Seq2SeqConfig
from keras_attn.layers.attention.align_functions import ALIGN_FUNCTIONS
from keras_attn.layers.attention.normalisers import NORMALISERS
from keras_attn.layers.cells.rnn_cells import CELLS
from keras_attn.layers.decoder.decoder import ORDERS
from keras_attn.models import config as config_module


def test_survives_json():
    config = tiny.config(cell="lstm", attention=None, seed=4)
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert Seq2SeqConfig.from_dict(values) == config


def test_unknown_key_names_the_nearest():
    with pytest.raises(
        ValueError, match="Unknown Seq2SeqConfig key 'decoder_unit'"
    ) as i:
        Seq2SeqConfig.from_dict({"decoder_unit": 3})
    assert "Did you mean 'decoder_units'?" in str(i.value)
    assert "Known keys: source_vocabulary_size, " in str(i.value)


def test_knows_the_names_of_the_layers():
    for name, known in {
        "attention": [*ALIGN_FUNCTIONS, None],
        "cell": list(CELLS),
        "order": list(ORDERS),
        "attention_normaliser": list(NORMALISERS),
    }.items():
        assert list(config_module._CHOICES[name]) == known


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny.config().cell = "lstm"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"decoder_units": 0}, "positive integer.*decoder_units=0"),
        ({"embedding_dim": 8.0}, "positive integer.*embedding_dim=8.0"),
        ({"encoder_units": True}, "positive integer.*encoder_units=True"),
        ({"target_vocabulary_size": "9"}, "integer.*target_vocabulary_size='9'"),
        ({"cell": "rnn"}, "`cell` must be one of 'gru', 'lstm'.*cell='rnn'"),
        ({"attention": "dots"}, "`attention` must be one of .*None.*attention='dots'"),
        ({"attention": "dot", "decoder_units": 7}, "must be twice.*decoder_units=7"),
        (
            {"attention": "multi_head", "attention_heads": 5},
            "`attention_heads` must divide.*attention_heads=5",
        ),
        ({"attention_normaliser": "max"}, "attention_normaliser='max'"),
        ({"attention_temperature": 0.0}, "attention_temperature=0.0"),
        ({"attention_dropout": 1}, "rate in .*attention_dropout=1"),
        ({"recurrent_dropout": -0.1}, "rate in .*recurrent_dropout=-0.1"),
        ({"source_word_dropout": 1.0}, "rate in .*source_word_dropout=1.0"),
        ({"target_word_dropout": -1}, "rate in .*target_word_dropout=-1"),
        ({"order": "paper"}, "`order` must be one of .*order='paper'"),
        ({"summary": "first"}, "`summary` must be one of .*summary='first'"),
        ({"bridge": "none"}, "`bridge` must be one of .*bridge='none'"),
        ({"encoder_layers": 0}, "positive integer.*encoder_layers=0"),
        ({"decoder_layers": 0}, "positive integer.*decoder_layers=0"),
        ({"dropout": 1.0}, "rate in .*dropout=1.0"),
        ({"dropout": "0.1"}, "rate in .*dropout='0.1'"),
        ({"pad_id": -1}, "id of both vocabularies.*pad_id=-1"),
        ({"pad_id": 13}, "id of both vocabularies.*pad_id=13"),
        ({"readout_units": 9}, "`tie_embeddings` needs.*readout_units=9"),
        (
            {"share_embeddings": True, "source_vocabulary_size": 14},
            "`share_embeddings` needs.*source_vocabulary_size=14",
        ),
    ],
)
def test_refuses(changed, rule):
    with pytest.raises(ValueError, match=rule):
        tiny.config(**changed)
