"""Does attention keep translating well when sentences get longer?

Lines of 1 to 4 joined sentences train two translators, one with attention and one
whose only view of the source is one vector, equal in everything else. Run it with
`python -m benchmarks.long_sentences`; docs/long-sentences.md tells the rest.
"""
