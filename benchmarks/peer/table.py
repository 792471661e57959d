"""The result as text."""

from collections.abc import Sequence
from typing import Any

from mobiledeploy.verify.outputs.accuracy import wilson
from peer.record import STEPS


def show(result: dict[str, Any]) -> str:
    """Return everything that was measured as one page."""
    task = result["task"]
    head = (
        f"{task['name']}, {task['image_size']} px, "
        f"{task['classes']} classes, {'trained' if task['trained'] else 'RANDOM'} weights; "
        f"{task['calibration']} images calibrate, {task['evaluation']} judge"
    )
    machine = ", ".join(f"{key}: {value}" for key, value in result["machine"].items())
    versions = ", ".join(f"{key} {value}" for key, value in result["versions"].items())
    parts = [head, machine, versions, "", "From weights to files (seconds: clock/CPU)"]
    parts += _grid(_ways(result))
    if "ours" in result["ways"]:
        given = result["ways"]["ours"]["ranges_given"]
        parts.append(
            f"ours, ranges given: {given['wall']:.2f} s on the clock, {given['cpu']:.2f} s CPU "
            "(target: 1)"
        )
    parts += ["", "Files (one thread, CPU time)", *_grid(_files(result))]
    if result["pairs"]:
        parts += ["", "Images on which one of two files alone answers as float", *_pairs(result)]
    parts += ["", "Parity of a .tflite and an .onnx", *_grid(_parity(result))]
    parts += ["", "Latency ratios (median of rounds, quartiles)", *_grid(_ratios(result))]
    return "\n".join(parts)


def _ways(result: dict[str, Any]) -> list[list[str]]:
    rows = [["way", *STEPS[:1], "float file", *STEPS[1:], "total", "peak MB"]]
    for name, way in result["ways"].items():
        if "problem" in way:
            rows.append([name, way["problem"]])
            continue
        costs = [_seconds(way["costs"].get(step)) for step in STEPS]
        float_file = _seconds(way["float_file"])
        memory = f"{way['peak_memory'] / 1e6:.0f}"
        shown = f"{name} (made before)" if way.get("reused") else name
        rows.append([shown, costs[0], float_file, *costs[1:], _seconds(way["total"]), memory])
    return rows


def _seconds(cost: dict[str, float] | None) -> str:
    return "-" if cost is None else f"{cost['wall']:.2f}/{cost['cpu']:.2f}"


def _files(result: dict[str, Any]) -> list[list[str]]:
    rows = [["file", "bytes", "ms", "top-1", "only float right, only int8, p", "as float"]]
    for name, file in result["files"].items():
        rows.append(
            [
                name,
                f"{file['bytes']:,}",
                f"{file['milliseconds']:.3f}",
                _share(file, "correct"),
                _test(file, "only_float", "only_int8"),
                _share(file, "as_float"),
            ]
        )
    return rows


def _share(file: dict[str, Any], key: str) -> str:
    if key not in file:
        return "-"
    low, high = wilson(file[key], file["images"])
    share = file[key] / file["images"]
    return f"{file[key]}/{file['images']} {share:.1%} ({low:.1%}..{high:.1%})"


def _test(counts: dict[str, Any], first: str, second: str) -> str:
    """Return the counts of a paired test and its p-value."""
    if "p" not in counts:
        return "-"
    p = counts["p"]
    return f"{counts[first]}, {counts[second]}, {f'{p:.2g}' if p >= 1e-4 else '< 0.0001'}"


def _pairs(result: dict[str, Any]) -> list[str]:
    """Return a table of the paired tests, for each of our files the best of the others first."""
    rows = [["ours", "other", "as float", "only ours, only other, p"]]
    as_float = {name: file["as_float"] for name, file in result["files"].items()}
    for pair in sorted(result["pairs"], key=lambda pair: (pair["ours"], -as_float[pair["other"]])):
        counts = f"{as_float[pair['ours']]}, {as_float[pair['other']]}"
        test = _test(pair, "only_ours", "only_other")
        rows.append([pair["ours"], pair["other"], counts, test])
    return _grid(rows)


def _parity(result: dict[str, Any]) -> list[list[str]]:
    rows = [["first", "second", "same class", "equal outputs"]]
    for pair in result["parity"]:
        of = pair["images"]
        equal = "-" if pair["equal"] is None else f"{pair['equal']}/{of}"
        rows.append([pair["first"], pair["second"], f"{pair['same_class']}/{of}", equal])
    return rows


def _ratios(result: dict[str, Any]) -> list[list[str]]:
    rows = [["file", "of", "ratio", "quartiles", "target", ""]]
    for ratio in result["ratios"]:
        target = ratio["target"]
        best = f" (fastest of {ratio['best_of']})" if ratio["best_of"] > 1 else ""
        rows.append(
            [
                ratio["file"],
                f"{ratio['of']}{best}",
                f"{ratio['ratio']:.3f}",
                f"{ratio['low']:.3f}..{ratio['high']:.3f}",
                "" if target is None else f"{target:.2f}",
                _verdict(ratio),
            ]
        )
    return rows


def _verdict(ratio: dict[str, Any]) -> str:
    if ratio["target"] is None:
        return ""
    if ratio["ratio"] <= ratio["target"]:
        return "met"
    return "within the spread" if ratio["low"] <= ratio["target"] else "MISSED"


def _grid(rows: Sequence[Sequence[str]]) -> list[str]:
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in full) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        for row in rows
    ]
