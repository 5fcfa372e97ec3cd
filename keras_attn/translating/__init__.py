"""What a `Translator` is made of: checks, searches, answers, batches, its file.

Functions of values: none of them holds a translator.
"""
