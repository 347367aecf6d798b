"""Decoding sources as Python itself does."""

import time

import pytest

from cdk_lambda_package.import_analysis.reader import read_module
from cdk_lambda_package.import_analysis.source import UndecodableError, decode_source


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"", ""),
        ("é\n".encode(), "é\n"),
        ("\ufeffé".encode(), "é"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"# coding: latin-1\n\xe9", "# coding: latin-1\né"),
        (b"\n#coding=cp1252\n\x80", "\n#coding=cp1252\n€"),
        # In the third line it is a comment like any other.
        ("\n\n# coding: latin-1\né".encode(), "\n\n# coding: latin-1\né"),
        ("x = 'coding: latin-1'\né".encode(), "x = 'coding: latin-1'\né"),
    ],
)
def test_a_source_is_text_with_line_feeds(source, text):
    assert decode_source(source) == text


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        (b"a\nb\0", "source code cannot contain null bytes", 2),
        (b"a\nb\nc\xe9", r"\(unicode error\) 'utf-8' codec can't decode byte 0xe9", 3),
        (b"\xef\xbb\xbfa\nb\n\xff", r"\(unicode error\) 'utf-8' codec can't decode byte 0xff", 3),
        (b"#\n\xe9", "invalid or missing encoding declaration", 1),
        (b"# coding: uft-8\n", "unknown encoding: uft-8", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem: utf-8", 1),
        (b"# coding: ascii\na\n\xe9", r"\(unicode error\) 'ascii' codec can't decode byte 0xe9", 3),
        (b"# coding: rot13\n", "not a text encoding", 1),
    ],
)
def test_what_python_cant_decode_is_an_error_with_the_line(source, message, line):
    with pytest.raises(UndecodableError, match=message) as raised:
        decode_source(source)
    assert raised.value.line == line


@pytest.mark.parametrize(
    "source",
    [
        b"# coding: latin-1\n\xe9",
        b"\xe9",
        b"# coding: nonsense",
        b"a\0",
        "\ufeffé".encode(),
        b"\r# coding: ascii\r\xe9",
    ],
)
def test_it_is_what_compile_takes_and_no_more(source):
    try:
        decode_source(source)
    except UndecodableError:
        with pytest.raises((SyntaxError, ValueError)):
            compile(source, "x", "exec")
    else:
        compile(source, "x", "exec")


@pytest.mark.parametrize(
    "source",
    [
        "".join(f"import m{n}\nm{n}.x = 1\n" for n in range(3000)) + "def f(): return 1\n" * 10_000,
        "import sys\n" + "def f():\n    sys.path.append(1)\n" * 5_000,
        "x = [" + "1," * 300_000 + "]\n",
        "(" * 300_000,
        "with b,]c:\n" * 5_000,
        "".join(" " * n + "if a:\n" for n in range(900)) + " " * 900 + "pass\n",
        "lambda: " * 30_000 + "sys.path",
        "1,\n" * 5_000_000,
    ],
    ids=["assignments", "functions", "one line", "brackets", "broken", "nested", "lambdas", "megabytes"],
)
def test_sources_made_to_keep_their_reader_busy_are_read_soon(source):
    began = time.process_time()
    read_module(source.encode(), (3, 13))
    assert time.process_time() - began < 5
