"""The searches in a graph of unknown sizes, and in a SavedModel."""

import functools

import keras
import numpy as np
import pytest
import scripted

from keras_attn.decoding import (
    Phrases,
    beam_search,
    force_prefix,
    greedy_search,
    sample_search,
    score_targets,
)

if keras.backend.backend() != "tensorflow":
    pytest.skip("SavedModels are TensorFlow's.", allow_module_level=True)
tf = pytest.importorskip("tensorflow")


@functools.cache
def make_endpoint(name):
    """A search as it is served: every size unknown before the request."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 5], tf.float32, name="table"),
            tf.TensorSpec([None], tf.int32, name="row_ids"),
            tf.TensorSpec([None], tf.int32, name="limits"),
            tf.TensorSpec([None, None], tf.int32, name="targets"),
        ],
        autograph=False,
    )
    def endpoint(table, row_ids, limits, targets):
        zeros = tf.zeros_like(row_ids)
        state = scripted.ScriptState(zeros, {"code": zeros[:, None]})
        memory = {"table": table, "row": (row_ids, None)}
        options = {"start_id": scripted.START}
        if name == "forced":
            options |= {"target_ids": targets, "target_lengths": limits}
            search = score_targets
        else:
            options |= {"max_lengths": limits, "end_id": scripted.END}
            options |= {"forbidden_ids": (0,)}
            search = greedy_search if name == "greedy" else beam_search
        if name in ("beam", "constrained"):
            options |= {"beam_size": 3}
        if name == "constrained":
            options["adjust"] = force_prefix(targets[:, :2], row_ids % 3)
            options["required"] = Phrases(targets[:, None, 2:4], limits[:, None] % 3)
        elif name == "sample":
            search = sample_search
            options |= {"seed": 3, "num_samples": 2, "top_p": 0.9}
            options |= {"row_seeds": row_ids}

        # The source length, too, is known only when the step has run.
        def step(*arguments):
            logits, state, weights = scripted.Script.step(*arguments)
            return logits, state, weights[:, : 3 + tf.reduce_min(limits) * 0]

        return search(step, state, memory, **options)._asdict()

    return endpoint


def inputs_of(rows):
    script = scripted.Script(seed=41 + rows, rows=rows, vocabulary_size=5)
    generator = np.random.default_rng(rows)
    limits = generator.integers(1, 7, size=rows).astype("int32")
    targets = generator.integers(0, 5, size=(rows, 6)).astype("int32")
    inputs = {"table": script.table, "row_ids": script.row_ids}
    inputs |= {"limits": limits, "targets": targets}
    return {name: tf.constant(value) for name, value in inputs.items()}


@pytest.mark.parametrize(
    "name",
    [
        "greedy",
        "beam",
        "forced",
        pytest.param("constrained", marks=pytest.mark.slow),  # larger graphs
        pytest.param("sample", marks=pytest.mark.slow),
    ],
)
def test_eager_graph_and_saved_model_agree_at_any_size(name, tmp_path):
    module = tf.Module()
    module.search = make_endpoint(name)
    inputs = inputs_of(4)
    eager, graph = module.search.python_function(**inputs), module.search(**inputs)
    for field, want in eager.items():
        np.testing.assert_allclose(graph[field], want, rtol=1e-6, err_msg=field)

    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(
        module, tmp_path, signatures={"search": module.search}, options=options
    )
    served = tf.saved_model.load(tmp_path).signatures["search"]
    for rows in (1, 7, 0):
        inputs = inputs_of(rows)
        want, got = module.search(**inputs), served(**inputs)
        for field, value in want.items():
            np.testing.assert_array_equal(got[field], value, err_msg=field)
        assert got["token_ids"].shape[0] == rows

    nodes = saved_nodes(tmp_path)
    assert any("While" in node.op for node in nodes)
    assert not {node.op for node in nodes if node.op.startswith("Xla")}
    assert not {node.op for node in nodes} & {"Assert", "PrintV2", "EagerPyFunc"}
    assert not [node.name for node in nodes if "_XlaMustCompile" in node.attr]


def saved_nodes(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    functions = graph.library.function
    return [*graph.node, *(node for f in functions for node in f.node_def)]


def test_static_sizes_survive_the_loop():
    shapes = make_endpoint("beam").get_concrete_function().output_shapes
    assert shapes["token_ids"].as_list()[1] == 3
    assert shapes["attention"].rank == 4
