"""What ``/sartor/v1`` answers about models, for people at a terminal: progress, metrics, explanations, filters."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: The metrics of a table beside each other, with short names; all others follow by their own.
SHORT_NAMES: Final[Mapping[str, str]] = {
    "normalized_discounted_cumulative_gain_at_25": "NDCG@25",
    "mean_reciprocal_rank_at_25": "MRR@25",
    "precision_at_10": "prec@10",
    "coverage": "coverage",
}
#: So many removed items of a rule are named.
_NAMED: Final = 5


def progress_text(progress: Mapping[str, Any]) -> str:
    """Return how far a job or a training is in words; what it does not know yet is left out."""
    words = []
    if progress.get("phase") and "rowsRead" not in progress and "bytesTotal" not in progress:
        words.append(str(progress["phase"]))
    if progress.get("trials"):
        words.append(f"trial {progress['trial']} of {progress['trials']}")
    if progress.get("epochs"):
        words.append(f"epoch {progress['epoch']} of {progress['epochs']}")
    if progress.get("loss") is not None:
        words.append(f"loss {progress['loss']:.3f}")
    if progress.get("of"):
        words.append(f"{progress.get('done', 0):,} of {progress['of']:,}")
    if progress.get("rowsRead") is not None:
        words.append(f"{progress['rowsRead']:,} rows")
    if progress.get("bytesTotal"):
        read, total = progress.get("bytesRead", 0), progress["bytesTotal"]
        words.append(f"{read:,} of {total:,} bytes ({read / total:.0%})")
    if progress.get("rowsPerSecond"):
        words.append(f"{progress['rowsPerSecond']:,} rows/s")
    if progress.get("secondsLeft") is not None:
        words.append(f"{progress['secondsLeft']:.0f} s left")
    return ", ".join(words)


def show_training(console: Console, answer: Mapping[str, Any]) -> None:
    """Print how far a training is; once it is done, its metrics and what made the model."""
    said = [answer["status"], progress_text(answer.get("progress") or {})]
    attempt = answer.get("attempt", 0)
    if attempt > 1:
        said.append(f"attempt {attempt}")
    _say(console, f"{answer['solutionVersionArn']}: {'  '.join(word for word in said if word)}")
    if "failureReason" in answer:
        _say(console, answer["failureReason"])
    if answer.get("metrics"):
        show_metrics(console, answer["metrics"])
    if "record" in answer:
        _show_record(console, answer["record"])


def show_metrics(console: Console, metrics: Mapping[str, float]) -> None:
    """Print the metrics of one solution version."""
    table = Table(
        "metric", title="Metrics, of interactions that the model had not seen", title_justify="left"
    )
    table.add_column("value", justify="right")
    for name in sorted(metrics):
        table.add_row(name, f"{metrics[name]:.4f}")
    console.print(table)


def compare_metrics(console: Console, metrics: Mapping[str, Mapping[str, float]], against: str) -> None:
    """Print the metrics of several models beside each other, and how many times those of one they are.

    Args:
        console: where to.
        metrics: by model, in the order of the rows.
        against: the model that the others are held against.
    """
    table = Table(
        "", title=f"On interactions that no model had seen, against {against}", title_justify="left"
    )
    for name in SHORT_NAMES.values():
        table.add_column(name, justify="right")
    base = metrics[against].get("normalized_discounted_cumulative_gain_at_25", 0.0)
    table.add_column("NDCG times", justify="right")
    for model, found in metrics.items():
        cells = [f"{found[name]:.4f}" if name in found else "" for name in SHORT_NAMES]
        own = found.get("normalized_discounted_cumulative_gain_at_25")
        times = f"{own / base:.1f} ×" if own is not None and base > 0 else ""
        table.add_row(model, *cells, times)
    console.print(table)


def _show_record(console: Console, record: Mapping[str, Any]) -> None:
    """Print what made a model."""
    facts = Table(title="What made it", title_justify="left", show_header=False)
    facts.add_column(style="bold")
    facts.add_column()
    tables = ", ".join(
        f"{name} version {state['bulkVersion']}, put records up to {state['putNumber']}"
        for name, state in record["tables"].items()
    )
    libraries = ", ".join(f"{name} {version}" for name, version in record["libraries"].items())
    parameters = ", ".join(f"{name} {value}" for name, value in record["parameters"].items())
    for name, value in (
        ("recipe", record["recipe"]),
        ("model", record["model"]),
        ("trained at", _moment(record["trainedAt"])),
        (
            "interactions",
            f"{record['interactions']:,} of {record['users']:,} users and {record['items']:,} items",
        ),
        ("event type", record.get("eventType") or ""),
        ("tables", tables),
        ("parameters", parameters),
        ("seed, threads", f"{record['seed']}, {record['threads']}"),
        ("made with", f"sartor {record['sartor']}, {libraries}"),
    ):
        if value:
            facts.add_row(name, Text(str(value)))
    console.print(facts)


def show_explanation(
    console: Console, answer: Mapping[str, Any], label: Callable[[str], str] = str, evidence: bool = True
) -> None:
    """Print why a campaign answers as it does.

    Args:
        console: where to.
        answer: of ``/sartor/v1/explain``.
        label: what an item is called.
        evidence: whether the campaign's recipe looks at a user's history at all.
    """
    tables = ", ".join(f"{name} version {state['bulkVersion']}" for name, state in answer["tables"].items())
    _say(
        console,
        f"Recipe {answer['recipe']}, model {answer['model']}, trained {_moment(answer['trainedAt'])} on "
        f"{answer['interactions']:,} interactions ({tables})",
        answer["solutionVersionArn"],
    )
    if answer["history"]:
        newest = [label(name) for name in answer["history"][::-1][:_NAMED]]
        _say(console, f"History, newest first: {', '.join(newest)}{_more(answer['history'], _NAMED)}")
    table = Table(title="Answer", title_justify="left")
    table.add_column("item")
    table.add_column("score", justify="right")
    evidence = evidence and any(one["evidence"] or one.get("reason") for one in answer["items"])
    if evidence:
        table.add_column("because of")
    for one in answer["items"]:
        score = f"{one['score']:.4f}" if "score" in one else ""
        cells = [Text(label(one["itemId"])), Text(score)]
        table.add_row(*cells, *([Text(_because(one, label))] if evidence else []))
    console.print(table)
    for rule in answer["removed"]:
        best: Sequence[str] = rule["ofTheBest"]
        of_best = f", {len(best)} of the 200 best" if best else ", none of the 200 best"
        _say(console, f"Removed by {rule['rule']}: {rule['items']:,} items{of_best}")
        if best:
            _say(console, f"    {', '.join(map(label, best[:_NAMED]))}{_more(best, _NAMED)}")


def _because(item: Mapping[str, Any], label: Callable[[str], str]) -> str:
    if item.get("reason"):
        return str(item["reason"]).lower()
    return ", ".join(label(one["itemId"]) for one in item["evidence"])


def show_trial(console: Console, answer: Mapping[str, Any]) -> None:
    """Print what a filter expression keeps."""
    share = answer["kept"] / answer["items"] if answer["items"] else 0.0
    _say(console, f"keeps {answer['kept']:,} of {answer['items']:,} items ({share:.1%})")
    for word, member, count in (("kept", "keptExamples", "kept"), ("removed", "removedExamples", "removed")):
        examples = answer[member]
        if examples:
            _say(console, f"{word}: {', '.join(examples)}{_more(range(answer[count]), len(examples))}")


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=True)  # as Text: an ARN may look like an emoji or markup


def _more(every: Sequence[Any], shown: int) -> str:
    """Return how many are not shown."""
    rest = len(every) - shown
    return f" and {rest:,} more" if rest > 0 else ""


def _moment(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds).astimezone().isoformat(" ", "seconds")
