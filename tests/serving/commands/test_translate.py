"""`keras-attn translate`: encrypted connections, links, constraints and samples."""

import json

import pytest
import tiny
import trustme
import typer
from typer.testing import CliRunner

from keras_attn.serving.client import ServingError
from keras_attn.serving.commands.translate import translate
from keras_attn.serving.local_server.option_files import read_credentials
from keras_attn.serving.local_server.server import LocalServer


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def address(toy_folders, authority, tmp_path_factory):
    """A server that requires certificates of clients."""
    own = authority.issue_cert("translator.example")
    texts = {
        "server_key": own.private_key_pem.bytes(),
        "server_cert": own.cert_chain_pems[0].bytes(),
        "custom_ca": authority.cert_pem.bytes(),
    }
    path = tmp_path_factory.mktemp("tls") / "ssl.config"
    lines = [
        f'{name}: "{text.decode().encode("unicode_escape").decode()}"\n'
        for name, text in texts.items()
    ]
    path.write_text("".join(lines) + "client_verify: true\n")
    with LocalServer(
        toy_folders[1].parent, threads=1, credentials=read_credentials(path)
    ) as server:
        server.start()
        yield server.address


@pytest.fixture
def files(authority, tmp_path):
    own = authority.issue_cert("client")
    pems = {
        "--tls-ca": authority.cert_pem,
        "--tls-certificate": own.cert_chain_pems[0],
        "--tls-key": own.private_key_pem,
    }
    for name, pem in pems.items():
        pem.write_to_path(tmp_path / name)
    return {name: str(tmp_path / name) for name in pems}


def run(*words, **options):
    app = typer.Typer()
    app.command()(translate)
    given = [word for option in options.items() for word in option]
    return CliRunner().invoke(app, [*words, "ein Hund", *given])


def options(address, files, **more):
    return {
        "--server": address,
        "--tls-server-name": "translator.example",
        "--timeout": "10",
        **files,
        **more,
    }


def test_both_certificates_are_checked(address, files):
    done = run(**options(address, files))
    assert done.exit_code == 0, done.output
    assert done.stdout == "HUND EIN\n"


def test_a_wrong_authority_a_wrong_name_or_no_certificate(address, files, tmp_path):
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    only_ca = {"--tls-ca": files["--tls-ca"]}
    for given in (
        options(address, {**files, "--tls-ca": str(stranger)}),
        options(address, files, **{"--tls-server-name": "other.example"}),
        options(address, only_ca),
        {"--server": address, "--timeout": "10"},
    ):
        refused = run(**given).exception
        assert isinstance(refused, ServingError)
        assert refused.code == "UNAVAILABLE"


def test_tls_alone_trusts_the_authorities_of_grpc(address):
    done = run("--tls", **{"--server": address, "--timeout": "10"})
    assert isinstance(done.exception, ServingError)
    assert done.exception.code == "UNAVAILABLE"


def test_a_key_needs_its_certificate(address, files):
    done = run(**{"--server": address, "--tls-key": files["--tls-key"]})
    assert isinstance(done.exception, ValueError)
    assert "Give both, or neither" in str(done.exception)


def test_tls_options_need_a_server(files):
    done = run(**{"--translator": "a.keras", "--tls-ca": files["--tls-ca"]})
    assert isinstance(done.exception, ValueError)
    assert "without --server" in str(done.exception)


# The toy has no aligner: links are those of its attention.
LINKS = {"Hund→HUND": (1, 0, 4, 8, 0, 4), "ein→EIN": (0, 1, 0, 3, 5, 8)}


@pytest.mark.parametrize("unit", [[], ["--subwords"]])
def test_links_stand_under_each_translation(address, files, unit):
    done = run("der Hund", "--links", *unit, **options(address, files))
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "HUND DER",
        "Hund→HUND  der→DER",
        "HUND EIN",
        "  ".join(LINKS),
    ]


def test_links_are_in_the_json_on_request(address, files):
    without, done = (
        run("--json", *given, **options(address, files)) for given in ([], ["--links"])
    )
    result = json.loads(done.stdout)
    assert [tuple(link.values()) for link in result.pop("links")] == [
        (source, target, 1.0, *offsets) for source, target, *offsets in LINKS.values()
    ]
    assert result == json.loads(without.stdout)


def test_files_have_no_links(tmp_path):
    file = tmp_path / "text"
    file.write_text("ein Hund\n")
    app = typer.Typer()
    app.command()(translate)
    words = ["--file", file, "--out", tmp_path / "out", "--server", "x:1", "--links"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, ValueError)
    assert "--attention or --links" in str(done.exception)


@pytest.mark.parametrize("kind", ["html", "xml"])
def test_tags_and_placeholders_come_back_in_their_places(address, files, kind):
    given = options(address, files, **{"--markup": kind})
    done = run("<b>der</b> Baum {n}", **given)
    assert done.exit_code == 0, done.output
    assert done.stdout == "BAUM {n} <b>DER</b>\nHUND EIN\n"


def test_without_markup_only_placeholders_come_back(address, files):
    done = run(
        "a < {n}", "--json", **options(address, files), **{"--markup": "placeholders"}
    )
    assert done.exit_code == 0, done.output
    first, _ = map(json.loads, done.stdout.splitlines())
    assert first == {"source": "a < {n}", "text": "< {n} A"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<b>b", "column 1 of text 2: `<b>`"),
        ("c\nb <", "line 2, column 3 of text 2: a"),
    ],
)
def test_broken_markup_names_the_text(address, files, text, place):
    given = options(address, files, **{"--markup": "html"})
    with pytest.raises(ValueError, match=place):
        raise run("a", text, **given).exception


def test_broken_markup_in_a_file_names_the_line(address, files, tmp_path):
    file = tmp_path / "lines"
    file.write_text("a\n\nb <i>c\n")
    more = {"--markup": "html", "--file": str(file), "--out": str(tmp_path / "out")}
    app = typer.Typer()
    app.command()(translate)
    given = [
        word for option in options(address, files, **more).items() for word in option
    ]
    with pytest.raises(ValueError, match=r"column 3 of a text of line 3: `<i>`"):
        raise CliRunner().invoke(app, given).exception


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--markup", "html", "--links"], "--markup html with --attention, --links"),
        (["--markup", "xml", "--prefix", "a"], "--markup xml with"),
        (["--show", "alignment"], "--show alignment without --attention"),
    ],
)
def test_options_that_do_not_go_together(words, message):
    with pytest.raises(ValueError, match=message):
        raise run(*words, "--server", "localhost:1").exception


def test_an_alignment_is_drawn_only_where_there_is_one(address, files):
    given = options(address, files, **{"--attention": "text", "--show": "alignment"})
    with pytest.raises(ValueError, match="alignment"):
        raise run(**given).exception


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "tiny.keras"
    tiny.translator(codecs=2, scale=1.0, beam_size=2, max_target_length=8).save(path)
    return str(path)


@pytest.mark.slow  # traces a graph
def test_a_prefix_and_phrases_are_in_every_translation(saved):
    done = run("--prefix", "do", "--require", "dog", "Hund", **{"-t": saved})
    assert done.exit_code == 0, done.output
    for line in done.stdout.splitlines():
        assert line.startswith("do")
        assert "dog" in line
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.slow  # traces a graph
def test_a_text_too_long_for_attention_has_a_warning_in_place_of_links(saved):
    done = run("der Hund. " * 600, "--links", **{"-t": saved})
    assert done.exit_code == 0, done.output
    assert "warning: no links of text 1, whose attention" in done.stderr
    assert "no links of text 2" not in done.stderr


@pytest.mark.slow  # traces a graph
def test_a_seed_repeats_the_samples(saved):
    one, same, shifted = (
        run("Hund", **{"-t": saved, "--temperature": "1.5", "--seed": seed})
        for seed in ("3", "3", "4")
    )
    assert one.exit_code == 0, one.output
    assert one.stdout == same.stdout != shifted.stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"--server": "x:1", "--top-p": "0.9"}, "draws no samples"),
        ({"--server": "x:1", "--seed": "0"}, "draws no samples"),
    ],
)
def test_a_server_draws_no_samples(given, message):
    done = run(**given)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"--server": "x:1"}, "best hypothesis of its search. Received: --mbr 4"),
        ({"-t": "missing", "--prefix": "a"}, "Received: --mbr 4 with --prefix"),
        ({"-t": "missing", "--require": "a"}, "no constraint binds"),
    ],
)
def test_bayes_risk_needs_a_translator_and_no_constraints(given, message):
    done = run("--mbr", "4", **given)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


def test_an_empty_phrase_is_refused_before_anything_is_sent():
    done = run("--require", " ", **{"--server": "127.0.0.1:1"})
    assert isinstance(done.exception, ValueError)
    assert "must not be empty" in str(done.exception)
