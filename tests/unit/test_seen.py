"""What was found out about files is believed for as long as they are the same, and no longer."""

from __future__ import annotations

import os
import time

import pytest
from sparc3_tasks.texts import tokens
from sparc3_tasks.texts.sources import Text

from sparc3_bench import assets
from sparc3_bench.folder.seen import Findings, Reads, stamp
from sparc3_bench.testing.tiny import make_tokenizer

ABOUT = ["what", ("is", "asked")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    time.sleep(0.2)  # a second change would have another time
    return path


def rewritten(file):
    file.write_text("new")


def replaced_with_its_time(file):
    seen = file.stat()
    file.unlink()
    file.write_text("new")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.mark.parametrize("change", [rewritten, replaced_with_its_time, os.unlink])
def test_a_finding_falls_with_the_file_it_rests_on(tmp_path, file, change):
    seen = Findings(tmp_path)
    seen.put(ABOUT, {"found": 1}, {str(file): stamp(file)})
    assert Findings(tmp_path).get(ABOUT) == {"found": 1}
    assert seen.get(["what else"]) is None
    change(file)
    assert seen.get(ABOUT) is None


def test_a_finding_falls_when_a_file_appears_that_was_not_there(tmp_path):
    seen, absent = Findings(tmp_path), tmp_path / "absent"
    seen.put(ABOUT, 1, {str(absent): stamp(absent)})
    assert seen.get(ABOUT) == 1
    absent.touch()
    assert seen.get(ABOUT) is None


def test_what_was_changed_just_now_or_since_it_was_read_is_not_relied_on(tmp_path, file):
    seen, before = Findings(tmp_path), stamp(file)
    file.write_text("new")
    seen.put(ABOUT, 1, {str(file): stamp(file)})
    assert seen.get(ABOUT) is None
    time.sleep(0.2)
    seen.put(ABOUT, 1, {str(file): before})
    assert seen.get(ABOUT) is None


def test_a_damaged_finding_is_none(tmp_path):
    seen = Findings(tmp_path)
    seen.put(ABOUT, "found", {})
    (kept,) = (tmp_path / "seen").glob("*.json")
    kept.write_bytes(kept.read_bytes().replace(b"found", b"bound"))
    assert seen.get(ABOUT) is None


def test_a_digest_is_read_anew_for_a_file_of_the_same_size_and_time(tmp_path, file, monkeypatch):
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "cache"))
    first = assets.known_digest(file)
    with monkeypatch.context() as patched:
        patched.setattr(assets, "file_digest", pytest.fail)
        assert assets.known_digest(file) == first
    replaced_with_its_time(file)
    assert assets.known_digest(file) == assets.file_digest(file) != first


def test_what_comes_from_elsewhere_spoils_an_answer_unless_it_is_proven():
    reads = Reads()
    with reads.aside():
        reads.spoil("subprocess.Popen")
    assert reads.why_not == ""
    reads.spoil("socket.connect")
    assert reads.why_not == "socket.connect"


def test_a_long_text_is_tokenised_once_for_a_tokenizer(tmp_path, monkeypatch):
    text, asked = Text("words", "w3 w4 " * 20_000), []
    plain = tokens.plain
    monkeypatch.setattr(tokens, "plain", lambda *given: asked.append(given) or plain(*given))
    first = make_tokenizer()
    found = tokens.tokens_of(text, first, tmp_path)
    assert found == plain(first, text.content)
    assert tokens.tokens_of(text, first, tmp_path) == found
    assert tokens.tokens_of(text, make_tokenizer(), tmp_path) == found
    assert len(asked) == 1
    other = make_tokenizer()
    other.add_tokens(["w3 w4"])
    assert tokens.tokens_of(text, other, tmp_path) == plain(other, text.content) != found
    assert len(asked) == 2
