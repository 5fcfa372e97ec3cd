"""Scripts of other environments cannot be imported in this one."""

collect_ignore = [
    "joeynmt.py",
    "opennmt_py.py",
    "opennmt_tf.py",
    "pytorch.py",
    "pytorch_model.py",
    "pytorch_search.py",
    "pytorch_training.py",
]
