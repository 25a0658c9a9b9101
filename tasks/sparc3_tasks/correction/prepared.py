"""The prompts and texts of a correction in memory: generate, measure, and give the references."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparc3_bench import (
    DatasetRecord,
    Evaluation,
    Part,
    PreparedTask,
    ReferenceSamples,
    Sparc3Error,
)
from sparc3_tasks.correction import last_word, measure, objectives, texts
from sparc3_tasks.correction.generation import respond
from sparc3_tasks.correction.neutral import matched
from sparc3_tasks.correction.references import Undesired, undesired_of
from sparc3_tasks.correction.sources import about, read_prompts
from sparc3_tasks.prompts import continued
from sparc3_tasks.texts.begin import Beginning
from sparc3_tasks.texts.sources import read_text
from sparc3_tasks.texts.tokens import tokens_of
from sparc3_tasks.texts.windows import Cutter, spread

if TYPE_CHECKING:
    from sparc3_bench import ModelView, Progress, Texts, Verdicts
    from sparc3_tasks.correction.last_word import Cut
    from sparc3_tasks.correction.options import CorrectionOptions

Ids = Sequence[int]


@dataclass(frozen=True)
class Side:
    """What side effects are measured on."""

    neutral: Sequence[Ids]
    items: Sequence[Cut]


@dataclass(frozen=True)
class PreparedCorrection(PreparedTask):
    """The data of a correction; `asked` and `windows` are what is measured on."""

    task: CorrectionOptions
    tokenizer: Any
    ids: Mapping[str, Sequence[Ids]]
    chosen: Mapping[str, Sequence[continued.Prompt]]
    asked: Sequence[Ids]
    begin: Beginning
    windows: Sequence[Ids]
    held_out: Mapping[str, Sequence[Ids]]
    side: Side | None
    general_text: Sequence[int]
    seed: int
    datasets: tuple[DatasetRecord, ...]
    warnings: tuple[str, ...]
    undesired: Undesired | None = None
    compares = False

    @property
    def clusters(self) -> Mapping[str, Sequence[int]]:
        """Prompts of one template or passage move together."""
        belongs = [prompt.cluster for prompt in self.chosen["test"]]
        judging = self.task.judging
        judged = judging.samples({"responses": [[0.0]]}) if judging else ()
        kinds = (*self.task.numbers([[0]]), *judged)
        own = ("distinct_1", "distinct_2", "distinct_3", "tokens", "empty", "nats", "nat_tokens")
        return dict.fromkeys((*kinds, *own), belongs)

    def part(self, name: Part) -> PreparedTask:
        """Return the prompts of a part; only the test part has all side effects measured."""
        if name == "test":
            return self
        test = self.ids["test"]
        asked = {
            "selection": self.ids["selection"],
            "control": spread(test, self.task.control_count),
            "paired": test,
        }[name]
        # What the limits were kept on must not be what is reported.
        windows = self.held_out["selection" if name == "selection" else "test"]
        if name == "control":  # a point of a band, of which there are many
            windows = windows[::2]
        return dataclasses.replace(self, asked=asked, windows=windows, side=None)

    def ask(self, model: ModelView, progress: Progress) -> Any:
        """Let the model answer the attribution prompts."""
        sampling, batch = self.task.sampling, self.task.generation_batch
        return respond(model, self.ids["reference"], sampling, progress, batch)

    def asked_texts(self, responses: Any) -> Texts:
        """Return those answers as a judge reads them; it reads none that are counted."""
        return {"responses": self.texts(responses)} if self.task.judging else {}

    def learned(self, responses: Any, verdicts: Verdicts) -> PreparedCorrection:
        """Keep the most undesired of those answers."""
        scores = self.task.undesired(responses, verdicts)
        found = undesired_of(self.task, self.ids["reference"], responses, scores)
        return dataclasses.replace(self, undesired=found)

    def references(self, objective: str) -> Mapping[str, ReferenceSamples]:
        """Return general and undesired samples; none before the model has answered."""
        per_token = self.task.normalise == "tokens"
        attributed = objectives.find(objective, per_token=per_token)
        if self.undesired is None:
            return {}
        general, starts = general_samples(self, self.undesired)
        samples = [[*prompt, *response] for prompt, response in self.undesired.samples]
        variant = "mean over tokens" if per_token else ""
        return {
            "general": ReferenceSamples(general, attributed, starts=starts, variant=variant),
            "undesired": ReferenceSamples(
                samples,
                attributed,
                starts=[len(prompt) for prompt, _ in self.undesired.samples],
                variant=variant,
            ),
        }

    def sequences(self) -> Sequence[Ids]:
        """Return prompts with room for an answer, and what losses are measured on."""
        asked = [ids for some in self.ids.values() for ids in some]
        if self.side is not None:
            asked += self.side.neutral
        answered = [[*ids, *[0] * self.task.new_tokens] for ids in asked]
        items = [] if self.side is None else [[*cut.context, *cut.word] for cut in self.side.items]
        held = [self.begin.before(row) for some in self.held_out.values() for row in some]
        return [*answered, *items, *held]

    def evaluate(
        self, model: ModelView, dense: Evaluation | None, progress: Callable[[int, int], None]
    ) -> Evaluation:
        """Let the model respond, and measure what needs it as it is now."""
        sampling, batch = self.task.sampling, self.task.generation_batch
        # What has no progress comes first, so that the rest tells how long the whole will take.
        losses = measure.window_losses(model, self.windows, self.begin.ids)
        aside: dict[str, list[float]] = {"loss": losses}
        written: dict[str, list[list[str]]] = {}
        logarithms: Any = None
        if self.side is not None:
            if self.side.items:
                aside["last_word"] = measure.last_words(model, self.side.items)
            answers = respond(model, self.side.neutral, sampling, lambda done, total: None, batch)
            written["neutral"] = self.texts(answers)
            logarithms = measure.logarithms(model, self.side.neutral)
        responses = respond(model, self.asked, sampling, progress, batch)
        rows = [self._numbers(some) for some in responses]
        samples = {name: [row[name] for row in rows] for name in rows[0]} | aside
        written = {"responses": self.texts(responses), **written}
        first = [(prompt, some[0]) for prompt, some in zip(self.asked, responses, strict=True)]
        memory = None if self.side is None else (first, logarithms)
        return Evaluation(samples, memory, written if self.task.judging else {})

    def after(self, model: ModelView, found: Evaluation) -> Evaluation:
        """Ask the dense model how likely the responses are, and how far the other has moved."""
        if self.side is None:
            return found
        first, logarithms = found.memory
        nats, tokens = measure.losses(model, first)
        dense = measure.logarithms(model, self.side.neutral)
        samples = {
            **found.samples,
            "nats": nats,
            "nat_tokens": tokens,
            "kl": measure.divergences(dense, logarithms),
        }
        return Evaluation(samples, None, found.texts)

    def remarks(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Say how many undesired responses steer the scores."""
        return () if self.undesired is None else (self.undesired.told,)

    def texts(self, responses: Sequence[Sequence[Ids]]) -> list[list[str]]:
        """Return responses as text."""
        return [
            self.tokenizer.batch_decode([list(ids) for ids in some], skip_special_tokens=True)
            for some in responses
        ]

    def _numbers(self, responses: Sequence[Ids]) -> dict[str, float]:
        return self.task.numbers(responses) | {
            **{
                f"distinct_{n}": texts.mean([texts.distinct(ids, n) for ids in responses])
                for n in (1, 2, 3)
            },
            "tokens": texts.mean([len(ids) for ids in responses]),
            "empty": texts.mean([float(not ids) for ids in responses]),
        }


def prepare(task: CorrectionOptions, tokenizer: Any, cache: Path, seed: int) -> PreparedCorrection:
    """Fetch, split, tokenise and cut everything a correction needs."""
    cutter = Cutter(tokenizer, cache, task.begin)
    begin = cutter.first
    counts = {part: getattr(task, f"{part}_count") for part in continued.PARTS}
    found, warnings = read_prompts(task.prompts, cache, sum(counts.values()))
    chosen = continued.split(found, seed, counts)
    ids = {
        part: [begin.encode(tokenizer, prompt.text) for prompt in some]
        for part, some in chosen.items()
    }
    records = [*continued.records(about(task.prompts), chosen, ids, seed, begin)]
    neutral, others = read_prompts(task.neutral_prompts, cache, task.neutral_count)
    neutral = neutral[: task.neutral_count]
    neutral_ids = [begin.encode(tokenizer, prompt.text) for prompt in neutral]
    said = {"purpose": "neutral", "source": about(task.neutral_prompts), "choice": "the first"}
    records.append(continued.record(neutral, neutral_ids, begin, **said))
    items: list[Any] = []
    if task.last_words:
        passages = last_word.read(cache, task.last_words)
        items = last_word.cut(passages, tokenizer, begin)
        records.append(last_word.record(passages, items, begin))
    held = cutter.held_out(
        task.held_out_text,
        task.held_out_length,
        2 * task.held_out_windows,
        "general",
        ", every other one for the selection part",
    )
    records.append(held.record)
    general = read_text(task.general_text, cache)
    whole = tokens_of(general, tokenizer, cache)
    drawn = f"{task.general}, drawn with seed {seed} when the undesired samples are known"
    attributed = cutter.described("reference", general, [whole], drawn)
    records.append(attributed.record)
    return PreparedCorrection(
        task=task,
        tokenizer=tokenizer,
        ids=ids,
        chosen=chosen,
        asked=ids["test"],
        begin=begin,
        windows=held.rows[::2],
        held_out={"test": held.rows[::2], "selection": held.rows[1::2]},
        side=Side(neutral_ids, items),
        general_text=whole,
        seed=seed,
        datasets=tuple(records),
        warnings=(*dict.fromkeys([*warnings, *others]), *held.warnings, *attributed.warnings),
    )


def general_samples(
    prepared: PreparedCorrection, undesired: Undesired
) -> tuple[list[list[int]], list[int]]:
    """Return samples of general text, and where in each begins what is attributed."""
    task, text, begin = prepared.task, prepared.general_text, prepared.begin
    samples: list[list[int]] = []
    starts: list[int] = []
    if task.general in ("matched", "both"):
        lengths = [
            (len(prompt) - len(begin.ids), len(response)) for prompt, response in undesired.samples
        ]
        samples += map(begin.before, matched(text, lengths, prepared.seed))
        starts += [len(prompt) for prompt, _ in undesired.samples]
    if task.general in ("windows", "both"):
        size = task.general_length
        cut = [text[at : at + size] for at in range(0, len(text) - size + 1, size)]
        if len(cut) < task.general_windows:
            raise Sparc3Error(
                f"The general text makes {len(cut)} windows of {size} tokens; "
                f"{task.general_windows} are needed. Give a longer text or ask for fewer."
            )
        drawn = random.Random(prepared.seed).sample(cut, task.general_windows)
        samples += map(begin.before, drawn)
        starts += [begin.start] * len(drawn)
    return samples, starts
