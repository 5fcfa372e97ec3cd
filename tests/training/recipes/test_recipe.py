"""Recipes: what can be written, what is refused, and with which words."""

import dataclasses
import re
import runpy
from pathlib import Path

import pytest

from keras_attn.seq2seq_config import Seq2SeqConfig
from keras_attn.training.recipes import (
    CorpusOptions,
    ModelOptions,
    Recipe,
    RecipeError,
    TextOptions,
    TrainingOptions,
    load_recipe,
    recipe_names,
)
from keras_attn.training.recipes import recipe as recipe_module
from keras_attn.training.recipes.recipe import tomllib

DOCS = Path(__file__).parents[3] / "docs"


def keys(recipe):
    return [
        f"{section.name}.{field.name}"
        for section in dataclasses.fields(recipe)
        for field in dataclasses.fields(getattr(recipe, section.name))
    ]


def test_the_shipped_recipes_can_be_loaded_by_name():
    assert recipe_names() == ["demo", "fast", "multi30k", "multi30k-best"]
    demo, fast, multi30k, best = map(load_recipe, recipe_names())
    assert demo.corpus.kind == "builtin"
    assert multi30k.corpus.kind == "files"
    assert (multi30k.corpus.source_language, multi30k.corpus.target_language) == (
        "de",
        "en",
    )
    for section in ("corpus", "text", "model", "decoding"):  # only trained otherwise
        assert getattr(best, section) == getattr(multi30k, section)
    less_dropout = dataclasses.replace(multi30k.model, dropout=fast.model.dropout)
    for section in ("corpus", "text", "decoding"):
        assert getattr(fast, section) == getattr(multi30k, section)
    assert fast.model == less_dropout


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_can_be_loaded_again(tmp_path, name):
    recipe = load_recipe(name).override(
        [
            "training.patience=none",
            'corpus.data=a "b" \\ ü\u2028\x7f#c',
            "model.dropout=0.25",
        ]
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe
    written = tomllib.loads(recipe.to_toml())
    assert [f"{s}.{key}" for s in written for key in written[s]] == keys(recipe)


def test_none_survives_where_the_default_is_a_value():
    recipe = load_recipe("demo").override(["training.clip_norm=none"])
    assert recipe.training.clip_norm is None
    assert TrainingOptions().clip_norm is not None
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("training.epochs=3", 3),
        ("training.learning_rate=5e-4", 5e-4),
        ("training.learning_rate=1", 1.0),
        ("training.minutes=2.5", 2.5),
        ("training.minutes=none", None),
        ("model.tie_embeddings=False", False),
        ("model.attention=none", None),
        ("corpus.test_splits=a, b", ("a", "b")),
        ("corpus.test_splits=", ()),
        ("corpus.source_language = nds", "nds"),
        ("corpus.data=none", None),
    ],
)
def test_overrides_are_read_as_the_type_of_their_option(assignment, value):
    recipe = load_recipe("multi30k").override([assignment])
    section, _, option = assignment.partition("=")[0].strip().partition(".")
    got = getattr(getattr(recipe, section), option)
    assert (got, type(got)) == (value, type(value))


def test_overrides_are_checked_together():
    recipe = load_recipe("multi30k").override(
        ["corpus.source_language=en", "corpus.target_language=de"]
    )
    assert (recipe.corpus.source_language, recipe.corpus.target_language) == (
        "en",
        "de",
    )


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("training.epoch", "training.epochs"),
        ("model.droput", "model.dropout"),
        ("modl.dropout", "model.dropout"),
        ("beam_size", "decoding.beam_size"),
        ("corpus.sourcelanguage", "corpus.source_language"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, near):
    recipe = load_recipe("demo")
    with pytest.raises(RecipeError) as error:
        recipe.override([f"{key}=1"])
    message = str(error.value)
    assert f"Received: `{key}`. Did you mean `{near}`? Known keys: " in message
    assert all(known in message for known in keys(recipe))


def test_a_key_like_none_gets_no_suggestion():
    with pytest.raises(RecipeError, match=r"`zzz`\. Known keys"):
        load_recipe("demo").override(["zzz=1"])


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[corpus]\nkind='files'\n[trainig]\n", "`trainig`. Did you mean `training`?"),
        (
            "[corpus]\nkind='files'\n[training]\nepoch=3\n",
            "`training.epoch`. Did you mean `training.epochs`?",
        ),
        ("corpus='files'\n", "`corpus` is a section of options"),
        ("[text]\nshared=true\n", "`corpus.kind` must be set: one of 'builtin', "),
        ("[corpus\n", "A recipe is a TOML file"),
    ],
)
def test_an_invalid_file_is_reported_with_its_error(tmp_path, toml, message):
    path = tmp_path / "mine.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "rule", "received"),
    [
        ("training.epochs=0", "a whole number, at least 1", "0"),
        ("training.epochs=2.5", "a whole number, at least 1", "'2.5'"),
        ("training.epochs=none", "a whole number, at least 1", "'none'"),
        ("training.learning_rate=fast", "a number, above 0", "'fast'"),
        ("training.learning_rate=nan", "a number, above 0", "nan"),
        ("training.learning_rate=inf", "a number, above 0", "inf"),
        ("training.join_sentences=1", "a whole number, at least 2, or none", "1"),
        ("training.clip_norm=-1", "a number, above 0, or none", "-1.0"),
        ("training.ema_momentum=1", "a number, above 0, below 1, or none", "1.0"),
        ("text.shared=yes", "true or false", "'yes'"),
        ("text.character_coverage=1.5", "a number, above 0, at most 1", "1.5"),
        ("model.cell=gre", "one of 'gru', 'lstm', 'simple_rnn'", "'gre'"),
        ("model.order=paper", "one of 'bahdanau', 'luong', 'conditional'", "'paper'"),
    ],
)
def test_a_wrong_value_gets_rule_and_value(assignment, rule, received):
    key = assignment.partition("=")[0]
    with pytest.raises(RecipeError) as error:
        load_recipe("demo").override([assignment])
    assert str(error.value) == f"`{key}` must be {rule}. Received: {key}={received}."


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (TrainingOptions, {"epochs": True}, "training.epochs=True"),
        (TrainingOptions, {"epochs": 3.0}, "training.epochs=3.0"),
        (TrainingOptions, {"learning_rate": "1e-3"}, "training.learning_rate='1e-3'"),
        (TextOptions, {"shared": 1}, "text.shared=1"),
        (CorpusOptions, {"kind": "files", "test_splits": "test"}, "a list of texts"),
        (CorpusOptions, {"kind": "files", "test_splits": [1]}, "a list of texts"),
    ],
)
def test_types_are_not_guessed_from_values(kind, values, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        kind(**values)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["corpus.train_pairs=none"], "each split needs a size"),
        (["corpus.target_language=de"], "Source and target are two languages"),
        (["corpus.kind=tfds"], "chosen by its name"),
        (["corpus.kind=tsv", "corpus.columns=en,fr"], "for the language 'de'"),
        (["model.readout_units=7"], "model.readout_units=7, model.embedding_dim="),
        (["training.final_learning_rate=1"], "final_learning_rate=1.0"),
        (["model.share_embeddings=true", "text.shared=false"], "one vocabulary"),
        (
            ["training.batch_tokens=70", "training.max_length=80"],
            "training.batch_tokens=70, training.max_length=80",
        ),
        (
            ["training.batch_tokens=900", "text.sampling=0.2"],
            "text.sampling=0.2, training.batch_tokens=900",
        ),
        (
            ["training.join_sentences=5", "training.batch_size=4"],
            "training.join_sentences=5, training.batch_size=4",
        ),
        (
            ["training.join_sentences=5", "training.batch_tokens=900"],
            "training.join_sentences=5, training.batch_tokens=900",
        ),
        (
            ["training.join_sentences=5", "alignment.links=learned"],
            "alignment.links=learned, training.join_sentences=5",
        ),
        (
            ["training.join_sentences=5", "alignment.links=corpus"],
            "alignment.links=corpus, training.join_sentences=5",
        ),
        (
            ["decoding.replace_unknown=true", "model.attention=none"],
            "decoding.replace_unknown=true, model.attention=none",
        ),
        (["training.epochs"], "written `section.option=value`. Received: 'training."),
    ],
)
def test_options_that_exclude_each_other_are_refused(assignments, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe("demo").override(assignments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("multi3k", "Did you mean 'multi30k'? Known recipes: demo, fast, multi30k"),
        ("nowhere/x.toml", "nowhere/x.toml"),
    ],
)
def test_an_unknown_recipe_lists_the_known(name, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(name)


def test_model_options_are_what_the_model_takes():
    own = {"source_vocabulary_size", "target_vocabulary_size", "pad_id", "seed"}
    recipe = {field.name for field in dataclasses.fields(ModelOptions)}
    assert recipe == {field.name for field in dataclasses.fields(Seq2SeqConfig)} - own
    for name in recipe_names():
        Seq2SeqConfig(
            source_vocabulary_size=50,
            target_vocabulary_size=50,
            **dataclasses.asdict(load_recipe(name).model),
        )


def test_a_renamed_key_is_read_with_a_warning(monkeypatch):
    renamed = {"training.rounds": "training.epochs", "model.beam": "decoding.beam_size"}
    monkeypatch.setattr(recipe_module, "_RENAMED_KEYS", renamed)
    demo = load_recipe("demo")
    with pytest.warns(FutureWarning, match=r"`training\.rounds` is now `training\.epo"):
        assert demo.override(["training.rounds=3"]) == demo.override(
            ["training.epochs=3"]
        )
    toml = '[corpus]\nkind = "files"\n[model]\nbeam = 7\n'
    with pytest.warns(FutureWarning, match=r"is now `decoding\.beam_size`"):
        assert Recipe.from_toml(toml).decoding.beam_size == 7
    with (
        pytest.warns(FutureWarning),
        pytest.raises(RecipeError, match=r"Remove `model\.beam`"),
    ):
        Recipe.from_toml(toml + "[decoding]\nbeam_size = 8\n")


def test_recipes_are_values():
    recipe = load_recipe("demo")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.training.epochs = 3
    assert recipe == load_recipe("demo")
    assert recipe != recipe.override(["training.seed=9"])


def test_the_documentation_lists_every_option_and_default():
    filled = runpy.run_path(str(DOCS / "update_recipes.py"))["filled"]
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert page == filled(page), "run `python docs/update_recipes.py`"
    listed = re.findall(r"^\| `(\w+\.\w+)` \|", page, re.M)
    assert listed == keys(load_recipe("demo"))
