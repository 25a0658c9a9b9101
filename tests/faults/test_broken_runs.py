"""Runs that are killed, interrupted, shared and disturbed end as an undisturbed one does."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from cells import COUNT, Commands, assert_whole, nothing_orphaned, save_hostile
from hostile.visible import visible
from sparc3_hostile.scoring import KINDS

HEALTHY = ("magnitude", "wanda", "gradient", "lrp", "random")
ONE_OF_EACH = {
    one: next(name for name, kind in KINDS.items() if kind.needs == one)
    for one in ("death", "guard", "error", "timeout")
}
SEED = 10
"""With which a worker is killed first, and then the parent."""
KILLS = 40
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
BATCH = 9
"""Hostile scorers in one run."""
TIMEOUT_S = 15


def killed(suite: Path, folder: Path, undisturbed, kills: int, seed: int) -> int:
    """Kill parents and workers at random moments until there were so many; return of how many."""
    draw, done, round_ = random.Random(seed), 0, 0
    while done < kills:
        commands = Commands(suite, folder / str(round_), {"SPARC3_MARK": f"{folder}/{round_}"})
        is_over = False
        while not is_over:
            running = commands.start("--retry-failed")
            if draw.random() < 0.8:
                running.wait_until_it_works()
            while done < kills and running.process.poll() is None:
                time.sleep(draw.uniform(0, 1.5))
                victim, which = running.process.pid, draw.random()
                if draw.random() < 0.5 and (workers := running.workers()):
                    victim = workers[int(which * len(workers))]
                if running.process.poll() is not None:
                    break
                os.kill(victim, signal.SIGKILL)
                done += 1
                if victim == running.process.pid:
                    break
            code = running.end().code
            is_over = code == 0
            # A worker that was killed leaves a failed cell, or a request without a plan.
            assert code in (0, 1, 2, -signal.SIGKILL), running.said()[-2000:]
            for name, (record, *_) in commands.found().items():
                if record["status"] == "failed":
                    assert "SIGKILL" in record["error"], (name, record["error"])
        with nothing_orphaned(commands.environment["SPARC3_MARK"]):
            assert_whole(commands, undisturbed)
        round_ += 1
    return done


def test_the_undisturbed_run_is_whole(undisturbed, suite):
    assert len(undisturbed.found) == COUNT
    assert {record["status"] for record, *_ in undisturbed.found.values()} == {"ok"}
    assert sum(kept is not None for _, _, kept in undisturbed.found.values()) == len(HEALTHY)
    assert set(undisturbed.made.values()) == {1}, "some step was made twice"


def test_two_kills_lose_nothing(suite, tmp_path, undisturbed):
    assert killed(suite, tmp_path, undisturbed, 2, SEED) == 2


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(4))
def test_forty_kills_lose_nothing(suite, tmp_path, undisturbed, seed):
    assert killed(suite, tmp_path, undisturbed, KILLS // 4, seed) == KILLS // 4


@pytest.mark.faults
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
def test_signal_ends_it_with_130_and_the_second_at_once(
    suite, tmp_path, undisturbed, number, times
):
    commands = Commands(suite, tmp_path, {"SPARC3_MARK": str(tmp_path)})
    with nothing_orphaned(str(tmp_path)):
        running = commands.start()
        assert running.wait_until_it_works()
        running.process.send_signal(number)
        began = time.monotonic()
        if times == 2:
            time.sleep(0.05)
            running.process.send_signal(number)
        done = running.end(30)
        assert done.code == 130, done.said[-2000:]
        assert time.monotonic() - began < (12 if times == 1 else 3)
        assert "Traceback" not in done.said
    for record, *_ in commands.found().values():
        assert record["status"] in ("ok", "interrupted")
    assert commands.run().code == 0
    assert_whole(commands, undisturbed)


def disturbed(made: Path, folder: Path, names: list[str], undisturbed) -> Commands:
    """Run hostile scorers among the healthy ones; return what is there then."""
    draw = random.Random(len(names))
    scorers = [*names, *HEALTHY]
    draw.shuffle(scorers)
    suite = save_hostile(made, folder.name, scorers)
    seen = visible(folder / "installed", "hostile")
    environment = {name: seen[name] for name in ("PYTHONPATH", "SPARC3_CACHE")}
    environment["SPARC3_MARK"] = str(folder)
    commands = Commands(suite, folder, environment)
    limits = ("--cell-timeout", str(TIMEOUT_S), "--cell-memory", "2")
    with nothing_orphaned(str(folder)):
        done = commands.run(*limits)
    assert done.code == 1, done.said[-2000:]
    found = commands.found()
    by_scorer = {record["spec"]["scorer"]["name"]: record for record, *_ in found.values()}
    assert sorted(by_scorer) == sorted(scorers), "one is missing"
    assert len(found) == len(scorers)
    for name in names:
        record, kind = by_scorer[name], KINDS[name]
        if kind.needs == "nothing":
            assert record["status"] == "ok", record["error"]
        else:
            assert record["status"] == "failed", name
            assert re.search(kind.words, record["error"]), f"{name}: {record['error'][:400]}"
            assert name != "hostile-hangs" or "in hangs" in record["error"], "it says not where"
            assert len(record["error"]) < 5000
            assert record["error"].isprintable()
    healthy = {name: one for name, one in found.items() if "/hostile-" not in name}
    assert healthy == {name: undisturbed.found[name] for name in healthy}
    assert len(healthy) == len(HEALTHY)
    # Leases of the dead go with the next process that comes.
    assert not [path for path in commands.left_over() if "/leases/" not in path]
    assert commands.validate().code == 0
    return commands


def test_one_hostile_scorer_of_each_kind_harms_no_other(made, tmp_path, undisturbed):
    disturbed(made, tmp_path / "each", [*ONE_OF_EACH.values()], undisturbed)


def batches() -> list[list[str]]:
    names = sorted(KINDS)
    random.Random(0).shuffle(names)
    return [names[start : start + BATCH] for start in range(0, len(names), BATCH)]


@pytest.mark.faults
@pytest.mark.parametrize("number", range(len(batches())))
def test_no_hostile_scorer_harms_another(made, tmp_path, undisturbed, number):
    before = disturbed(made, tmp_path / f"batch-{number}", batches()[number], undisturbed)
    # Who comes after, and has none of them, finds all in the store, and nothing else.
    after = Commands(save_hostile(made, f"after-{number}", [*HEALTHY]), before.folder)
    after.forget_results()
    assert after.run(jobs=1).code == 0
    assert after.found() == {name: undisturbed.found[name] for name in after.found()}
    assert len(after.found()) == len(HEALTHY)
    assert not after.made()
    assert not after.left_over()


@pytest.mark.faults
@pytest.mark.parametrize("runners", [1, 2, 3, 8])
def test_runners_on_one_folder_make_each_step_once(suite, tmp_path, undisturbed, runners, times):
    commands = Commands(suite, tmp_path)
    began = time.monotonic()
    started = [commands.start(jobs=1) for _ in range(runners)]
    for one in started:
        done = one.end(900)
        assert done.code == 0, done.said[-2000:]
    told = [one["at"] for one in commands.events()]
    times[runners] = time.monotonic() - began, max(told) - min(told)
    assert commands.found() == undisturbed.found
    assert set(commands.made().values()) == {1}, "some step was made twice"
    assert not commands.left_over()


@pytest.mark.faults
def test_work_of_a_killed_runner_is_taken_over(suite, tmp_path, undisturbed):
    commands = Commands(suite, tmp_path)
    lost, other = commands.start(jobs=2), commands.start(jobs=1)
    assert lost.wait_until_it_works()
    time.sleep(1)
    lost.process.kill()
    assert lost.end().code == -signal.SIGKILL
    done = other.end()
    assert done.code == 0, done.said[-2000:]
    counts = commands.made().values()
    assert sum(counts) - len(counts) <= 2, "more was made again than two workers had in hand"
    assert_whole(commands, undisturbed)


@pytest.fixture(scope="module")
def times():
    """Return a table that is printed at the end: by number of runners, seconds."""
    found: dict[int, tuple[float, float]] = {}
    yield found
    if found:
        lines = ["", "runners  seconds  of them from the first cell to the last"]
        lines += [f"{n:>7}  {whole:>7.1f}  {work:>7.1f}" for n, (whole, work) in found.items()]
        sys.__stdout__.write("\n".join(lines) + "\n")
