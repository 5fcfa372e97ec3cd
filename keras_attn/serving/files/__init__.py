"""Files whose texts are translated and whose other bytes stay.

    document.py        a file as bytes that stay and passages that are translated
    plain_text.py      paragraphs
    tsv.py             named columns of tab-separated values
    json_lines.py      named fields of JSON Lines
    translate_file.py  translates one, continues what was interrupted, writes the result

Nothing here knows a translator: `translate_file` calls a function.
"""
