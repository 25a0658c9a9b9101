"""A corrected model as a folder: the model, the mask, the record, and a report for readers."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench.circuit.folder import Kind, replacing
from sparc3_bench.circuit.rebuild import Rebuilt
from sparc3_bench.circuit.report import Correction, correction_json, report
from sparc3_bench.circuit.writer import MASK, as_stored, parameter_masks, save_mask, write_model
from sparc3_bench.errors import Sparc3Error
from sparc3_bench.host import PluginHost
from sparc3_bench.leaderboard.picture import picture
from sparc3_bench.record.files import write_result

KIND = Kind(format="sparc3-correction", title="a correction", about="correction.json")


def find_task(host: PluginHost, *, judged: bool) -> str:
    """Return the one installed task that corrects what models answer.

    Parameters
    ----------
    host
        The plugins.
    judged
        Whether a judge is to read the answers, which some tasks do not have.

    Raises
    ------
    Sparc3Error
        When there is none, or more than one.
    """
    found = [
        name
        for name, entry in host.all("task").items()
        if entry.cls.prompts_option is not None
        # Which judge it has may depend on its options.
        and not (judged and entry.cls(**entry.cls.tiny_options).judging is None)
    ]
    if len(found) == 1:
        return found[0]
    what = "correct what a judge says of a model" if judged else "correct a model"
    if found:
        raise Sparc3Error(
            f"{len(found)} installed tasks {what}: {', '.join(found)}; choose one with `--task`."
        )
    raise Sparc3Error(f"No installed task can {what}; install one, or name it with `--task`.")


def outcome_of(rebuilt: Rebuilt, amount: float) -> Correction:
    """Return what a finished run says of an amount, and which units it removes.

    Raises
    ------
    Sparc3Error
        When the ranking is not the one that was measured.
    """
    circuit = rebuilt.circuit(amount)
    outcome = Correction(rebuilt.result, amount, circuit, rebuilt.whole)
    recorded = outcome.point.kept
    same = all(tuple(circuit.counts[role]) == tuple(recorded[role]) for role in recorded)
    if not same or circuit.agreement not in (1, None):
        raise Sparc3Error(
            f"Scorer '{rebuilt.result.spec.scorer.name}' gave other scores when asked again, so "
            "what was measured cannot be saved; it must give the same for the same seed."
        )
    return outcome


def write_correction(rebuilt: Rebuilt, outcome: Correction, folder: Path) -> None:
    """Write the folder; whatever interrupts it, none is left half written under its name.

    Without anything removed there is no model in it.

    Parameters
    ----------
    rebuilt, outcome
        What to write.
    folder
        New, empty, or one that an earlier correction wrote, which is replaced.

    Raises
    ------
    Sparc3Error
        When it holds something else by now.
    """
    KIND.check_free(folder)
    result, found = outcome.result, rebuilt.cell.model
    dtype = str(found.stored_dtype).removeprefix("torch.")
    assert result.found is not None
    with replacing(folder) as part:
        if outcome.amount:
            stored = as_stored(found, result.spec.scope, rebuilt.view)
            masks = parameter_masks(stored, outcome.circuit.keep)
            save_mask(masks, part / MASK)
            write_model(stored.model, masks, part / "model", stored.tokenizer, found.folder)
        write_result(part / "result.json", result)
        plot = picture(result, result.found.metric)
        (part / "plot.svg").write_text(plot, encoding="utf-8")
        (part / "report.md").write_text(report(outcome, dtype), encoding="utf-8")
        KIND.write(part, correction_json(outcome, dtype))
