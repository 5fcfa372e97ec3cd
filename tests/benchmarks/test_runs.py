"""Every benchmark runs from end to end at small sizes: a command, a JSON line."""

import json

import pytest
from benchmark_run import SMALL, run_benchmark
from tiny_run import TINY

from benchmarks.batching import CLIENTS
from benchmarks.experiments import ablation, translation
from benchmarks.experiments.length_page import render
from benchmarks.report import read_results
from benchmarks.soak.faults import FAULTS
from benchmarks.workers import measure_workers

# Minutes: each starts processes of TensorFlow and trains or serves.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(name, *words):
    done = run_benchmark(name, *words, "--json")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    return json.loads(line), done.stderr


def assert_spread(result, *names):
    for name in names:
        low, high = result[f"{name}_spread"]
        assert 0 < low <= result[name] <= high


def test_train_step_compares_two_in_one_run():
    few = ["--compare", "plain_keras", "--batches", "2", "--rounds", "2"]
    result, log = run("train_step", *SMALL, *few)
    assert "No --data: the built-in corpus" in log
    assert result["batches"] == 2
    ratio = result["tokens_per_s"] / result["peer_tokens_per_s"]
    # With two rounds the medians are means, whose ratio is between the rounds'.
    low, high = result["ratio_spread"]
    assert 0.999 * low <= ratio <= 1.001 * high
    assert_spread(
        result, "tokens_per_s", "sgemm_fraction", "peer_sgemm_fraction", "ratio"
    )
    assert result["command"].startswith("python -m benchmarks train_step ")
    assert result["versions"]["keras"]


def test_decode_measures_every_search():
    few = ["--train-epochs", "1", "--singly", "3", "--rounds", "2", "--shortlist", "5"]
    few += ["--bfloat16", "--compare", "plain_keras", "model.tie_embeddings=false"]
    result, log = run("decode", *SMALL, *few)
    assert "No --translator: training one" in log
    assert_spread(
        result,
        "sgemm_gflops",
        "sentences_per_s",
        "sgemm_fraction",
        "batch1_ms",
        "batch1_p95_ms",
        "xla_batch1_ms",
        "shortlist_xla_batch1_ms",
        "beam5_sentences_per_s",
        "beam5_over_greedy",
        "bfloat16_shortlist_beam5_sentences_per_s",
        "bfloat16_shortlist_batch1_ms",
        "beam5_batch1_ms",
        "floor_ms",
        "beam5_floor_ms",
        "bfloat16_shortlist_beam5_floor_ms",
        "alone_over_floor",
        "greedy_over_floor",
        "beam5_alone_over_floor",
        "bfloat16_shortlist_beam5_alone_over_floor",
        "exported_alone_over_floor",
        "bfloat16_shortlist_exported_beam5_alone_over_floor",
        "bfloat16_shortlist_ratio",
        "exported_over_python",
        "ratio",
        "peer_sentences_per_s",
    )
    assert result["batch1_ms"] <= result["batch1_p95_ms"]
    assert 50 < result["greedy_body_operations"] <= 90
    assert 90 < result["beam5_body_operations"] <= 200
    assert result["sentences"] == 30
    assert result["peer_same_translations"] > 0.9  # rounding parts what is alike
    assert 2 < result["mean_source_tokens"] < 60
    assert 0 <= result["bleu_greedy"] <= 100
    assert result["corpus"] == "the built-in corpus"


def test_whole_texts_compares_every_way():
    few = ["--train-epochs", "1", "--requests", "3", "--rounds", "2"]
    result, _ = run("whole_texts", *SMALL, *few)
    texts = result["texts"]
    assert list(texts) == [
        "paragraphs",
        *(f"sentences_{count}" for count in (1, 2, 4, 8, 12)),
    ]
    assert texts["sentences_8"]["count"] == 3
    for row in texts.values():
        assert 0 <= row["never"] <= 100
        assert row["always"] == pytest.approx(row["one_by_one"], abs=0.5)
    assert_spread(result, "alone_ms")
    assert result["always_over_never"] > 0
    assert result["long_over_never"] > 0


def test_serve_roundtrip_measures_both_ways_and_the_parts():
    few = ["--train-epochs", "1", "--requests", "2", "--rounds", "2"]
    few += ["--beam-size", "1", "--shortlist", "5"]
    result, _ = run("serve_roundtrip", *SMALL, *few)
    for size in (1, 8, 32):
        for way in ("grpc", "inprocess", "fast_grpc"):
            assert result[f"{way}_ms_batch{size}"] > 0
        low, high = result[f"added_cost_batch{size}_spread"]
        assert low <= result[f"added_cost_batch{size}"] <= high
    for part in ("parse", "tokenise", "serialise", "client_read"):
        assert result[f"{part}_ms"] > 0
    assert "encode_decode_ms" in result
    assert result["beam_size"] == 1


def test_memory_grows():
    sizes = [f"{word.partition('=')[0]}=32" for word in SMALL if "model." in word]
    few = ["--quick", "--repeats", "1", "text.vocabulary_size=2000"]
    result, _ = run("memory", *sizes, *few)
    assert len(result["points"]) == 4
    assert all(point["mb"] > 0 for point in result["points"])
    assert result["exponent_batch"] > 0.2
    assert result["mb_per_batch_token"] > 0


def test_scaling_measures_every_axis():
    result, _ = run("scaling", *SMALL, "--quick", "--steps", "1", "--rounds", "2")
    for name in ("batch", "source", "target", "vocabulary"):
        low, high = result[f"exponent_{name}_spread"]
        assert low <= result[f"exponent_{name}"] <= high
    assert result["products_exponent_batch"] == 1
    assert result["analytic_exponent_batch"] < 1
    assert all(point["seconds"] > 0 for point in result["points"])


def test_batching_measures_every_number_of_clients():
    done = run_benchmark("batching", *SMALL, "--seconds", 0.5, "--json")
    # So short a time may leave no setting to choose; the rest is measured all the same.
    assert done.returncode == 0 or "The middle of the plan" in done.stderr, done.stderr
    if done.returncode == 0:
        points = json.loads(done.stdout)["points"]
        assert {point["clients"] for point in points} == set(CLIENTS)
        assert all(point["per_second"] > 0 for point in points)


def test_corpus_memory_measures_every_size():
    small = ["text.vocabulary_size=500", "text.sample_sentences=400"]
    result, _ = run("corpus_memory", *small, "--pairs", "300,600")
    # Too long pairs are not kept.
    assert [point["pairs"] // 100 for point in result["points"]] in ([2, 5], [3, 6])
    assert isinstance(result["peak_mb_growth"], float)


def test_workers_measure_one_and_two_processes():
    result, _ = run("workers", "--repeats", "1", *SMALL)
    assert result["batch"] == 128
    for count in (1, 2):
        assert result[f"tokens_per_second_{count}"] > 0
        assert 100 < result[f"peak_mb_{count}"] < 8000
    with pytest.raises(RuntimeError, match=r"must finish.*\[2\].*model\.cell=gur"):
        measure_workers(1, ["model.cell=gur"])


def test_peers_are_compared_with_ours_before_and_after(tmp_path):
    few = ["--runs", tmp_path, "--peer", "plain_keras", "--batches", "2"]
    few += ["--rounds", "1", "--sentences", "9"]
    result, log = run("peers", *few, *SMALL)
    assert "No --data: the built-in corpus" in log
    assert "No --translator: random weights" in log
    training, decoding = result["results"]
    assert (training["task"], decoding["task"]) == ("train", "decode")
    assert decoding["same_translations"] == 1.0
    for row in (training, decoding):
        assert row["ratio"].keys() >= {"peak_rss_mb"}
        assert len(row["ours_before_and_after"]) == 2
    assert training["ratio"]["tokens_per_s"] == pytest.approx(
        training["ours"]["tokens_per_s"] / training["theirs"]["tokens_per_s"][0], 1e-2
    )


def test_a_short_soak_run_counts_every_request():
    done = run_benchmark("soak", "--requests", 300, "--clients", 4)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["requests"] >= result["right"] >= 300
    assert (result["wrong"], result["lost"]) == (0, 0)
    assert result["failed_unexpectedly"] == {}
    refused = {"UNAVAILABLE", "ConnectError", "ReadError", "RemoteProtocolError"}
    assert set(result["failed"]) <= refused  # while it was down
    assert result["server_exit_code"] == 0
    assert len(result["server_mib"]) == 2  # one process was killed
    for memory in result["server_mib"]:
        assert 0 < memory["first"] <= memory["most"]
    odd = result["odd_requests"]
    assert set(odd["connections"]) == {"OK"}
    assert odd["oversized"] == {"INVALID_ARGUMENT": 1, "RESOURCE_EXHAUSTED": 2}
    assert (result["versions_swapped"], result["restarts"]) == (2, 1)
    assert result["odd_requests_improper"] == {}
    assert "OK" not in odd["malformed"]
    assert odd["implied_rows"] == {"INVALID_ARGUMENT": 9}
    assert odd["unfinished_bodies"] == {"408": 256}
    assert odd["reload_nul"] == {"INVALID_ARGUMENT": 1}
    assert odd["reload_outside"] == {"PERMISSION_DENIED": 3}
    assert odd["health_watches"] == {"OK": 64, "RESOURCE_EXHAUSTED": 36}
    assert odd["reflection_streams"] == {"OK": 8, "RESOURCE_EXHAUSTED": 92}
    assert odd["neighbour_dtype"] == {"INVALID_ARGUMENT": 20}
    assert odd["neighbour_no_rows"] == {"OK": 20}
    assert odd["nested_json"] == {"400": 4}
    assert result["server_mib_start"] > 0
    for fault in FAULTS:
        assert fault.__name__ in done.stderr


def experiment(name, mark, folder, *words):
    """Runs an experiment twice; what is stored is not trained again."""
    page = folder / "page.md"
    page.write_text(f"a\n<!-- {mark}:begin -->\nold\n<!-- {mark}:end -->\nb\n")
    words = [*words, "--quick", "--out", folder / "runs", "--store", folder / "stored"]
    done = run_benchmark(name, *words, "--page", page)
    assert done.returncode == 0, done.stderr
    stored = read_results(folder / "stored")
    for result in stored:
        assert str(folder) not in json.dumps(result)
    text = page.read_text()
    again = run_benchmark(name, *words, "--page", page)
    assert again.returncode == 0, again.stderr
    assert "keras-attn train" not in again.stderr
    return stored, text, done.stderr


def test_ablation_trains_every_switch_once(tmp_path):
    switches = ["--switch", "r-drop", "--switch", "guided-corpus"]
    stored, text, log = experiment("ablation", "ablation", tmp_path, *switches)
    assert "built-in corpus" in log
    names = [result["switch"] for result in stored]
    assert names == ["baseline", "guided-corpus", "r-drop"]
    for result in stored:
        assert result["beam"]["sentences"] == result["greedy"]["sentences"] == 20
        assert 0 <= result["aer"] <= 1
        assert (result["p_value"] is None) == (result["switch"] == "baseline")
    assert len({result["updates"] for result in stored}) == 1
    assert ablation.draw(stored) in text


def test_translation_trains_and_scores_every_plan(tmp_path):
    stored, text, _ = experiment("translation", "results", tmp_path)
    assert [result["name"] for result in stored] == ["quick_de-en", "quick_en-de"]
    for result in stored:
        assert result["seed"] == 0
        assert result["scores"]["sentences"] == 20
        assert result["scores"]["beam_size"] == 5
    assert translation.draw(stored) in text


def test_long_sentences_train_both_kinds_alike_and_go_on(tmp_path):
    out = ["--out", tmp_path, "--seeds", "1"]
    small = [*TINY, "training.epochs=1"]
    results, log = run("long_sentences", *small, *out)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    attention, plain = (results["kinds"][kind] for kind in ("attention", "plain"))
    assert (attention["attention"], plain["attention"]) == ("additive", None)
    assert plain["parameters"] == pytest.approx(attention["parameters"], rel=0.02)
    assert plain["decoder_units"] > attention["decoder_units"]
    assert plain["updates"] == attention["updates"] == 4  # 120 lines, 32 in a batch
    rows = results["lengths"]
    assert [row["joined"] for row in rows] == [1, 2, 3, 4, 6]
    assert [row["trained"] for row in rows] == [True] * 4 + [False]
    assert [row["lines"] for row in rows] == [24, 12, 8, 6, 4]
    for row in rows:
        times = row["source_words"] / rows[0]["source_words"]
        assert times == pytest.approx(row["joined"])
        assert 0 < row["p_values"][0] <= 1
        for kind in ("attention", "plain"):
            [bleu] = row[kind]["bleu"]
            assert row[kind]["mean"] == bleu
            assert row[kind]["deviation"] is None
    singly = rows[0]["attention"]["translated_singly"]["bleu"]
    assert singly == rows[0]["attention"]["bleu"]
    assert results["settings"]["training"]["epochs"] == 1
    for kind in ("attention", "plain"):
        assert f"[{kind}-0] epoch 1/1" in log
        assert f"[{kind}-0] 6 a line: BLEU" in log
    # The same again trains nothing.
    done = run_benchmark("long_sentences", *small, *out)
    assert done.stderr.count("is finished") == 2
    again = json.loads((tmp_path / "results.json").read_text())
    assert again | {"environment": 0} == results | {"environment": 0}
    assert done.stdout == render(again) + "\n"
    # Other settings need another folder.
    for word, name in (("training.epochs=2", "training"), ("corpus.seed=1", "digest")):
        done = run_benchmark("long_sentences", *small, word, *out)
        assert done.returncode == 2
        assert f"where {name} was another" in done.stderr
