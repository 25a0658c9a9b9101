"""Disks that are full, fail, lie or are only read cost time, and no result."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest
from cells import Commands, assert_whole
from disks import CALLS, failing, small_disk

pytestmark = pytest.mark.faults


@pytest.fixture
def commands(suite, tmp_path) -> Commands:
    return Commands(suite, tmp_path)


def test_full_cache_is_a_warning(commands, undisturbed):
    with small_disk(commands.cache, 300_000) as disk:
        done = commands.run(environment=disk.environment)
        assert done.code == 0, done.said[-2000:]
        assert commands.found() == undisturbed.found
        assert 1 <= done.said.count("cannot be written") <= 3, "once a process"
        assert not commands.left_over()
        disk.grow()
        commands.forget_results()
        assert commands.run(environment=disk.environment).code == 0
        assert_whole(commands, undisturbed)


def test_what_a_full_disk_did_not_take_is_written_when_there_is_room(commands, undisturbed):
    with small_disk(commands.results, 150_000) as disk:
        done = commands.run(environment=disk.environment)
        assert done.code == 1
        there = commands.found()
        assert 0 < len(there) < len(undisturbed.found)
        assert there == {name: undisturbed.found[name] for name in there}
        assert "It is held" in done.said
        disk.grow()
        before = sum(commands.made().values())
        assert commands.run(environment=disk.environment).code == 0
        assert sum(commands.made().values()) == before, "something was made again"
        assert_whole(commands, undisturbed)


def test_full_disk_for_all_is_told_and_the_same_command_goes_on(commands, undisturbed):
    with small_disk(commands.folder / "both", 400_000) as disk:
        both = Commands(commands.suite, commands.folder / "both")
        assert both.run(environment=disk.environment).code == 1
        disk.grow()
        assert both.run(environment=disk.environment).code == 0
        assert_whole(both, undisturbed)


def test_one_error_of_each_call_costs_nothing(commands, undisturbed):
    faults = [
        {
            "calls": [call],
            "below": below,
            "errno": "EIO",
            "once": commands.folder / f"{below.name}-{call}",
        }
        for below in (commands.results, commands.cache)
        for call in CALLS
    ]
    done = commands.run(environment=failing(*faults))
    assert done.code == 0, done.said[-2000:]
    happened = {path.name for path in commands.folder.glob("*-*") if path.suffix != ".txt"}
    assert happened >= {"results-open", "results-fsync", "results-replace", "cache-open"}
    assert_whole(commands, undisturbed)


def test_results_that_can_never_be_written_are_named_and_made_no_second_time(commands, undisturbed):
    always = failing(below=commands.results, errno="EIO")
    done = commands.run(environment=always)
    assert done.code == 1
    assert commands.found() == {}
    assert done.said.count("It is held") == len(undisturbed.found)
    assert commands.run().code == 0
    assert not commands.made(), "something was made again"
    assert_whole(commands, undisturbed)


def test_cache_that_can_never_be_written_is_a_warning(commands, undisturbed):
    done = commands.run(environment=failing(below=commands.cache, errno="EIO"))
    assert done.code == 0
    assert commands.found() == undisturbed.found
    assert 1 <= done.said.count("cannot be written") <= 3, "once a process"


def test_complete_cache_that_is_only_read_is_fine(commands, undisturbed):
    with small_disk(commands.cache, 1 << 30) as disk:
        disk.grow()
        assert commands.run(environment=disk.environment).code == 0
        commands.forget_results()
        disk.lock()
        done = commands.run(environment=disk.environment)
        assert done.code == 0, done.said[-2000:]
        assert commands.found() == undisturbed.found
        assert not commands.made()


def spoil(path: Path, draw: random.Random) -> None:
    """Flip a bit in a file, or make its end zero."""
    content = bytearray(path.read_bytes())
    if draw.random() < 0.5:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    else:
        start = draw.randrange(len(content))
        content[start:] = bytes(len(content) - start)
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_spoilt_is_told_and_made_again(commands, undisturbed, seed):
    draw = random.Random(seed)
    assert commands.run().code == 0
    kept = [path for path in commands.cache.rglob("*") if path.is_file() and path.stat().st_size]
    kinds = {(path.parents[1].name, path.suffix) for path in kept}
    assert {suffix for _, suffix in kinds} >= {".json", ".safetensors", ".link"}
    for path in kept:
        spoil(path, draw)
    files = [path for path in commands.results.rglob("*.*") if ".sparc3" not in path.parts]
    for path in draw.sample(files, len(files) // 2):
        spoil(path, draw)
    done = commands.run()
    assert done.code == 0, done.said[-2000:]
    assert commands.found() == undisturbed.found
    commands.forget_results()
    done = commands.run()
    assert done.code == 0, done.said[-2000:]
    assert_whole(commands, undisturbed)


def test_what_lies_about_its_time_is_found_by_validate(commands, undisturbed):
    """A bit that turns on the disk itself moves no time, and a run looks at times."""
    assert commands.run().code == 0
    path = sorted(commands.results.rglob("wanda--*.json"))[0]
    seen, text = path.stat(), path.read_text()
    found = re.search(r'"perplexity": (\d)', text)
    assert found
    place = found.start(1)
    path.write_text(f"{text[:place]}{(int(found[1]) + 1) % 10}{text[place + 1 :]}")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert json.loads(path.read_text())
    done = commands.validate()
    assert done.code == 1
    assert path.name in done.said
