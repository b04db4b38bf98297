"""What ``/sartor/v1`` answers, and what commands found, as texts for people."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import click

from sartor.console import terminal
from sartor.data.put_numbers import moment_of
from sartor.data.rules import WARNINGS

#: The metrics of a table beside each other, with short names; all others follow by their own.
_SHORT_NAMES: Final[Mapping[str, str]] = {
    "normalized_discounted_cumulative_gain_at_25": "NDCG@25",
    "mean_reciprocal_rank_at_25": "MRR@25",
    "precision_at_10": "prec@10",
    "coverage": "coverage",
}
_UNITS: Final[Mapping[str, str]] = {"novelty": "novelty, bits"}
#: So many removed items of a rule are named.
_NAMED: Final = 5
_LONGEST_VALUE: Final = 200
#: So many places of a broken rule are shown; ``--json`` has more.
_SHOWN_PLACES: Final = 3
#: A chart of times has at most so many bars.
_LONGEST_CHART: Final = 40


def progress(known: Mapping[str, Any]) -> str:
    """Return how far a job or a training is in words; what it does not know yet is left out."""
    words = []
    if known.get("phase") and "rowsRead" not in known and "bytesTotal" not in known:
        lasted = f" for {known['phaseSeconds']:.0f} s" if known.get("phaseSeconds", 0) >= 1 else ""
        words.append(f"{known['phase']}{lasted}")
    if known.get("trials"):
        words.append(f"trial {known['trial']} of {known['trials']}")
    if known.get("epochs"):
        words.append(f"epoch {known['epoch']} of {known['epochs']}")
    if known.get("loss") is not None:
        words.append(f"loss {known['loss']:.3f}")
    if known.get("of"):
        words.append(f"{known.get('done', 0):,} of {known['of']:,}")
    if known.get("rowsRead") is not None:
        words.append(f"{known['rowsRead']:,} rows")
    if known.get("bytesTotal"):
        read, total = known.get("bytesRead", 0), known["bytesTotal"]
        words.append(f"{read:,} of {total:,} bytes ({read / total:.0%})")
    if known.get("rowsPerSecond"):
        words.append(f"{known['rowsPerSecond']:,} rows/s")
    if known.get("secondsLeft") is not None:
        words.append(f"{known['secondsLeft']:.0f} s left")
    return ", ".join(words)


def training(answer: Mapping[str, Any]) -> str:
    """Return how far a training is; once it is done, its metrics and what made the model."""
    said = [answer["status"], progress(answer.get("progress") or {})]
    attempt = answer.get("attempt", 0)
    if attempt > 1:
        said.append(f"attempt {attempt}")
    line = f"{_trained(answer)}: {'  '.join(word for word in said if word)}"
    parts = [f"{line}\n{answer['failureReason']}" if "failureReason" in answer else line]
    if answer.get("trainingFailed"):
        parts.append(f"Its last training by itself failed, and comes again: {answer['trainingFailed']}")
    examinations: Sequence[Mapping[str, Any]] = answer.get("evaluation", ())
    told = {name for one in examinations for name in one["metrics"]}
    if others := {name: value for name, value in answer.get("metrics", {}).items() if name not in told}:
        parts.append(_metrics(others))
    parts += [f"{_examination(one)}\n\n{bars(one)}".rstrip() for one in examinations]
    if "record" in answer:
        parts += _bullets(answer["record"].get("warnings", ()))
        parts.append(_provenance(answer["record"]))
    if answer.get("forgotten"):
        users = sum(one["users"] for one in answer["forgotten"])
        parts.append(
            f"Its weights were trained with {users:,} users who are deleted: train again to forget them there too."
        )
    return "\n\n".join(parts)


def _trained(answer: Mapping[str, Any]) -> str:
    """Return the ARN of the solution version or the recommender that an answer is about."""
    return str(answer.get("solutionVersionArn") or answer["recommenderArn"])


def _metrics(metrics: Mapping[str, float]) -> str:
    """Return the metrics of one model."""
    return terminal.table(
        ("metric", "value"),
        [(name, f"{metrics[name]:.4f}") for name in sorted(metrics)],
        title="Metrics, of interactions that the model had not seen",
        align="<>",
    )


def _examination(found: Mapping[str, Any]) -> str:
    """Return every metric of a version on one split with its interval, beside those of the baselines."""
    own, *others = next(iter(found["metrics"].values()))
    rows = [
        (
            _UNITS.get(metric, metric),
            _interval(column[own]),
            *(f"{column[name]['value']:.4f}" for name in others),
            *([_above(found["differences"].get(metric))] if others else []),
        )
        for metric, column in found["metrics"].items()
    ]
    headings = ("metric", f"{own} ({found['confidence']:.0%})", *others)
    last = ("surely above",) if others else ()
    return terminal.table(
        (*headings, *last), rows, title=_of_split(found), align="<" + ">" * (1 + len(others))
    )


def bars(found: Mapping[str, Any]) -> str:
    """Return bars of how well a version and the baselines do on one split; nothing without baselines or hits.

    Args:
        found: one of ``evaluation``, as ``/sartor/v1`` has it.
    """
    column: Mapping[str, Mapping[str, float]] = found["metrics"].get(found["decides"], {})
    if len(column) < 2 or not any(one["value"] > 0 for one in column.values()):
        return ""
    counts = [(name, one["value"]) for name, one in column.items()]
    title = f"{_SHORT_NAMES.get(found['decides'], found['decides'])}, split by {found['split']}"
    return terminal.chart(title, counts, list(map(_interval, column.values())))


def _of_split(found: Mapping[str, Any]) -> str:
    """Return what a version was asked for on a split."""
    asked = f"{found['asked']:,} {found['unit']}"
    if "knownUntil" in found:
        moment = _moment(found["knownUntil"])
        whose = f"{found['model']} without a sequence model" if found["standsIn"] else "the model"
        return f"By time: what {asked} did from {moment} on, by {whose}, trained on what came before"
    return {
        "users": f"By users: the newest interactions of {asked}, of whom the model knew the older ones alone",
        "age": f"By age: the newest interactions of everybody, as {asked}",
        "nothing": f"What is recommended for {asked}",
    }[found["split"]]


def _interval(one: Mapping[str, float]) -> str:
    return f"{one['value']:.4f} ({one['low']:.3f}–{one['high']:.3f})"


def _above(differences: Mapping[str, Mapping[str, float]] | None) -> str:
    """Return the baselines that a metric is above, whatever users are drawn; nothing where it makes no sense."""
    if differences is None:
        return ""
    return ", ".join(name for name, by in differences.items() if by["low"] > 0) or "none"


def compared_metrics(metrics: Mapping[str, Mapping[str, float]], against: str) -> str:
    """Return the metrics of several models beside each other, and how many times those of one they are.

    Args:
        metrics: by model, in the order of the rows.
        against: the model that the others are held against.
    """
    base = metrics[against].get("normalized_discounted_cumulative_gain_at_25", 0.0)
    rows = []
    for model, found in metrics.items():
        cells = [f"{found[name]:.4f}" if name in found else "" for name in _SHORT_NAMES]
        own = found.get("normalized_discounted_cumulative_gain_at_25")
        times = f"{own / base:.1f} ×" if own is not None and base > 0 else ""
        rows.append((model, *cells, times))
    return terminal.table(
        ("", *_SHORT_NAMES.values(), "NDCG times"),
        rows,
        title=f"On interactions that no model had seen, against {against}",
        align="<>>>>>",
    )


def _put(number: int) -> str:
    """Return up to which put record a training saw them, in words."""
    moment = moment_of(number)
    if moment is None:
        return f"put records up to {number}" if number else "no put records"
    return f"put records up to {_moment(moment)}"


def _provenance(provenance: Mapping[str, Any]) -> str:
    """Return what made a model."""
    tables = ", ".join(
        f"{name} version {state['bulkVersion']}, {_put(state['putNumber'])}"
        for name, state in provenance["tables"].items()
    )
    libraries = ", ".join(f"{name} {version}" for name, version in provenance["libraries"].items())
    parameters = ", ".join(f"{name} {value}" for name, value in provenance["parameters"].items())
    facts = {
        "recipe": provenance["recipe"],
        "model": provenance["model"],
        "trained at": _moment(provenance["trainedAt"]),
        "interactions": (
            f"{provenance['interactions']:,} of {provenance['users']:,} users and {provenance['items']:,} items"
        ),
        "event type": provenance.get("eventType"),
        "tables": tables,
        "parameters": parameters,
        "seed, threads": f"{provenance['seed']}, {provenance['threads']}",
        "made with": f"sartor {provenance['sartor']}, {libraries}",
    }
    rows = [(name, str(value)) for name, value in facts.items() if value]
    return terminal.table((), rows, title="What made it", bold_columns=(0,))


def explanation(answer: Mapping[str, Any], label: Callable[[str], str] | None = None) -> str:
    """Return why a campaign or a recommender answers as it does.

    Args:
        answer: of ``/sartor/v1/explain``.
        label: what an item is called; if not given, its id with its title.
    """
    label = label or _labels(answer)
    tables = ", ".join(f"{name} version {state['bulkVersion']}" for name, state in answer["tables"].items())
    lines = [
        f"Recipe {answer['recipe']}, model {answer['model']}, trained {_moment(answer['trainedAt'])} on "
        f"{answer['interactions']:,} interactions ({tables})",
        _trained(answer),
    ]
    if answer.get("unknownUser"):
        lines.append(
            "The user is unknown: nothing is known of what was done, and the answer is a newcomer's."
        )
    if answer["history"]:
        newest = [label(name) for name in answer["history"][::-1][:_NAMED]]
        lines.append(f"History, newest first: {', '.join(newest)}{_more(len(answer['history']), _NAMED)}")
    evidence = any(one["evidence"] or one.get("reason") for one in answer["items"])
    rows = []
    for one in answer["items"]:
        score = f"{one['score']:.4f}" if "score" in one else ""
        rows.append((label(one["itemId"]), score, *([_because(one, label)] if evidence else [])))
    headings = ("item", "score", "because of") if evidence else ("item", "score")
    lines += ["", terminal.table(headings, rows, title="Answer", align="<>")]
    if answer["removed"]:
        lines.append("")
    for rule in answer["removed"]:
        best: Sequence[str] = rule["ofTheBest"]
        of_best = f", {len(best)} of the 200 best" if best else ", none of the 200 best"
        lines.append(f"Removed by {rule['rule']}: {rule['items']:,} items{of_best}")
        if best:
            lines.append(f"    {', '.join(map(label, best[:_NAMED]))}{_more(len(best), _NAMED)}")
    return "\n".join(lines)


def _labels(answer: Mapping[str, Any]) -> Callable[[str], str]:
    """Return what gives an item's id with its title, if it has one."""
    titles: Mapping[str, str] = answer.get("titles", {})
    return lambda name: f"{name} {titles[name]}" if name in titles else name


def _because(item: Mapping[str, Any], label: Callable[[str], str]) -> str:
    if item.get("reason"):
        return str(item["reason"]).lower()
    return ", ".join(label(one["itemId"]) for one in item["evidence"])


def trial(answer: Mapping[str, Any]) -> str:
    """Return what a filter expression keeps."""
    share = answer["kept"] / answer["items"] if answer["items"] else 0.0
    lines = [f"keeps {answer['kept']:,} of {answer['items']:,} items ({share:.1%})"]
    label = _labels(answer)
    for word, member in (("kept", "keptExamples"), ("removed", "removedExamples")):
        examples = answer[member]
        if examples:
            lines.append(f"{word}: {', '.join(map(label, examples))}{_more(answer[word], len(examples))}")
    return "\n".join(lines)


def comparison(found: Mapping[str, Any]) -> str:
    """Return how a second training differs from the first.

    Args:
        found: a ``Comparison`` of ``sartor.work.retrain`` as JSON.
    """
    differences = found["differences"]
    if found["equal"]:
        lines = [f"equal  {found['arrays']} arrays, every number of them"]
    else:
        rows = [
            (
                one["part"],
                one["was"] or "none",
                one["now"] or "none",
                "" if one["share"] is None else f"{one['share']:.2%}",
                "" if one["largest"] is None else f"{one['largest']:.3g}",
            )
            for one in differences
        ]
        headings = ("array", "then", "now", "differs", "by at most")
        lines = [
            f"different  {len(differences)} of {found['arrays']} arrays",
            terminal.table(headings, rows, align="<<<>>"),
        ]
    for name, pair in found["metrics"].items():
        was, now = ("none" if value is None else f"{value:.4f}" for value in pair)
        lines.append(f"{name}: {was} then, {now} now")
    lines += [f"{one['what']}: {one['was']} then, {one['now']} now" for one in found["changes"]]
    if not found["equal"] and not found["changes"]:
        lines.append("Data and libraries are the same; another machine can change the last digits.")
    return "\n".join(lines)


def deletion(found: Mapping[str, Any]) -> str:
    """Return what a data deletion job has done, and what was trained with users who are deleted."""
    said = f"{found['jobArn']}: {found['status']}, {found['numDeleted']:,} users deleted"
    if not found["trainedWith"]:
        return f"{said}\nNothing was trained with them."
    rows = [(_trained(one), f"{one['users']:,}") for one in found["trainedWith"]]
    title = "Nobody is served them any more; their weights forget them once they are trained again"
    return f"{said}\n\n" + terminal.table(
        ("trained with deleted users", "users"), rows, title=title, align="<>"
    )


def report(found: Mapping[str, Any], tried: bool = False) -> str:
    """Return what an import found.

    Args:
        found: the content of ``report.json``.
        tried: whether nothing was to be imported.
    """
    is_good = found["verdict"] == "imported"
    verdict = {(True, True): "would import", (True, False): "would fail"}.get(
        (tried, is_good), found["verdict"]
    )
    summary = (
        f"{click.style(verdict, fg='green' if is_good else 'red', bold=True)}  {found['rowsRead']:,} rows read = "
        f"{found['rowsImported']:,} {'good' if tried else 'imported'} + {found['rowsRejected']:,} rejected, "
        f"{found['bytesRead']:,} bytes in {found['seconds']:.2f} s"
    )
    warnings = found.get("warnings", ())
    parts = [
        "\n".join(map(_broken, found["faults"])),
        _nulls(verdict, warnings),
        "\n".join(f"warning: {_broken(warning)}" for warning in warnings),
    ]
    return "\n\n".join([summary, *filter(None, parts)])


def _nulls(verdict: str, warnings: Sequence[Mapping[str, Any]]) -> str:
    """Return how many bad cells become null; nothing of none."""
    count = sum(one["count"] for one in warnings if one["code"] not in WARNINGS)
    became = "became" if verdict == "imported" else "would become"
    return f"{count:,} bad {'cell' if count == 1 else 'cells'} {became} null:" if count else ""


def _broken(fault: Mapping[str, Any]) -> str:
    """Return a broken rule, or a warning, in one line: the rule, how many rows, the first places."""
    shown = fault["examples"][:_SHOWN_PLACES]
    files = list(dict.fromkeys(one.get("file", "the job") for one in shown))
    places = []
    for file in files:
        of_file = [_place(one) for one in shown if one.get("file", "the job") == file]
        places.append(f"{file} {', '.join(filter(None, of_file))}".rstrip())
    count = "1 row" if fault["count"] == 1 else f"{fault['count']:,} rows"
    line = f"{fault['rule']} {count}: {'; '.join(places)}{_more(fault['count'], len(shown))}"
    return terminal.visible(line)


def _place(example: Mapping[str, Any]) -> str:
    """Return a line and what stands there; nothing of a whole file."""
    text = example.get("value") or ""
    value = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    line = f"line {example['line']}" if "line" in example else ""
    return " ".join(filter(None, (line, f"'{value}'" if line and value else value)))


def statistics(found: Mapping[str, Any]) -> str:
    """Return what a dataset's rows look like.

    Args:
        found: the statistics, as JSON has them.
    """
    rows = [
        (
            column["name"],
            column["type"],
            _percent(column["nulls"], found["rows"]),
            *(_number(column.get(key)) for key in ("distinct", "categories", "min", "max")),
        )
        for column in found["columns"]
    ]
    headings = ("column", "type", "nulls", "distinct", "categories", "from", "to")
    parts = [click.style(_headline(found), bold=True), terminal.table(headings, rows, align="<<>>>>>")]
    types = ((one["eventType"] or "(none)", one["events"]) for one in found.get("eventsByType", ()))
    unit, times = _merged(found.get("eventsByDay", ()))
    ranges = ((one["events"], one["users"]) for one in found.get("usersByEvents", ()))
    charts = {"events by type": types, f"events by {unit}": times, "users by number of events": ranges}
    for title, counts in charts.items():
        bars = list(counts)
        if any(count for _, count in bars):
            parts.append(terminal.chart(title, bars))
    return "\n\n".join([*parts, *_bullets(found["advice"])])


def _bullets(sentences: Sequence[str]) -> list[str]:
    """Return a paragraph of sentences that should be read; none of none."""
    return ["\n".join(click.style(f"• {one}", fg="yellow") for one in sentences)] if sentences else []


def _headline(found: Mapping[str, Any]) -> str:
    counts = {name: found[name] for name in ("rows", "users", "items", "actions") if name in found}
    parts = [f"{count:,} {name if count != 1 else name[:-1]}" for name, count in counts.items()]
    if days := found.get("eventsByDay"):
        parts.append(f"{days[0]['day']} to {days[-1]['day']}")
    return "  ".join((found["datasetType"], *parts))


def _merged(days: Iterable[Mapping[str, Any]]) -> tuple[str, Iterable[tuple[str, int]]]:
    """Return the finest unit of time that gives a short chart, and its events."""
    units: dict[str, Callable[[str], str]] = {
        "day": lambda day: day,
        "week": lambda day: date.fromisocalendar(*date.fromisoformat(day).isocalendar()[:2], 1).isoformat(),
        "month": lambda day: day[:7],
        "year": lambda day: day[:4],
        "century": lambda day: f"{day[:2]}00s",
    }
    given = list(days)
    for unit, start in units.items():  # noqa: B007 - read after the loop
        merged: Counter[str] = Counter()
        for one in given:
            merged[start(one["day"])] += one["events"]
        if len(merged) <= _LONGEST_CHART:
            break
    return unit, merged.items()


def _percent(part: int, whole: int) -> str:
    if not part:
        return "0%"
    share = 100 * part / whole
    return "<0.1%" if share < 0.1 else f"{share:.1f}%"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _more(every: int, shown: int) -> str:
    """Return how many are not shown."""
    return f" and {every - shown:,} more" if every > shown else ""


def _moment(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds).astimezone().isoformat(" ", "seconds")
