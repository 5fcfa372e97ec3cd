import pytest

from keras_attn.text import learn_subwords

# Several scripts, so that nothing in the codec can lean on one of them.
SENTENCES = [
    "Der Hund läuft schnell.",
    "Ein Hund sieht die schlafende Katze im Gartenhaus.",
    "The dogs run quickly, don't they?",
    "Das Finanzamt öffnet um 9 Uhr; fünf Affen hoffen.",
    "Собака быстро бежит по улице.",
    "Η γάτα κοιμάται στον ήλιο.",
    "الكلب يجري بسرعة",
    "हिन्दी में लिखा हुआ वाक्य",
    "你好 世界 狗跑得快",
    "강아지가 빨리 달린다",
    "สุนัขวิ่งเร็ว",
]


@pytest.fixture(scope="session")
def sentences():
    return list(SENTENCES)


@pytest.fixture(scope="session", params=["unigram", "bpe"])
def model(request):
    return learn_subwords(SENTENCES * 2, 240, model_type=request.param)


@pytest.fixture(scope="session")
def unigram():
    return learn_subwords(SENTENCES * 2, 240)


@pytest.fixture(scope="session")
def codec(model):
    from keras_attn.text import SubwordCodec

    return SubwordCodec(model)


@pytest.fixture(scope="session")
def reference(model):
    """SentencePiece's own Python package: the witness for the graph's codec."""
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=model)
