"""The comparison as tidy Parquet tables, one row per observation. See `docs/scores.md`."""

import io
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from study.scores.compare import Floats, MaskComparison, ScoreComparison

Row = dict[str, Any]

_PAIR = {"score_a": pa.string(), "score_b": pa.string()}
_AT = {"density": pa.float64(), "kept_weights": pa.int64()}

RANK_CORRELATION = pa.schema({**_PAIR, "rank_correlation": pa.float64()})
OVERLAP = pa.schema({**_AT, **_PAIR, "overlap": pa.float64(), "chance": pa.float64()})
LAYERS = pa.schema(
    {
        **_AT,
        "score": pa.string(),
        "layer": pa.string(),
        "layer_index": pa.int64(),
        "layer_weights": pa.int64(),
        "layer_kept": pa.int64(),
        "layer_density": pa.float64(),
    }
)
MASKS = pa.schema(
    {
        **_AT,
        "score": pa.string(),
        "live_weights": pa.int64(),
        "effective_density": pa.float64(),
        "empty_layers": pa.list_(pa.string()),
        "dead_layers": pa.list_(pa.string()),
        "disconnected_shortcuts": pa.list_(pa.string()),
        "collapsed": pa.bool_(),
        "mask_sha256": pa.string(),
    }
)
KEPT = pa.schema(
    {
        **_AT,
        "mask": pa.string(),
        "score": pa.string(),
        "value": pa.float64(),
        "best": pa.float64(),
        "chance": pa.float64(),
        "share": pa.float64(),
        "above_chance": pa.float64(),
    }
)
PRICE_OF_CONTROL = pa.schema(
    {
        **_AT,
        "target": pa.string(),
        "control": pa.string(),
        "level": pa.float64(),
        "target_value": pa.float64(),
        "control_value": pa.float64(),
        "target_kept": pa.float64(),
        "control_kept": pa.float64(),
        "target_above_chance": pa.float64(),
        "multiplier": pa.float64(),
        "relative_multiplier": pa.float64(),
        "status": pa.string(),
    }
)


def score_tables(comparison: ScoreComparison) -> dict[str, bytes]:
    """All tables as Parquet files by name. NaN and infinity become null."""
    tables = {
        "rank_correlation": (RANK_CORRELATION, _rank_rows(comparison)),
        "overlap": (OVERLAP, _rows(comparison, _overlap_rows)),
        "layers": (LAYERS, _rows(comparison, _layer_rows)),
        "masks": (MASKS, _rows(comparison, _mask_rows)),
        "kept": (KEPT, _rows(comparison, _kept_rows)),
        "price_of_control": (PRICE_OF_CONTROL, _rows(comparison, _price_rows)),
    }
    return {f"{name}.parquet": _parquet(schema, rows) for name, (schema, rows) in tables.items()}


def _rank_rows(comparison: ScoreComparison) -> Iterator[Row]:
    yield from _pairs(comparison, "rank_correlation", comparison.ranks)


def _overlap_rows(comparison: ScoreComparison, at: MaskComparison) -> Iterator[Row]:
    for row in _pairs(comparison, "overlap", at.overlap):
        yield {**row, "chance": at.chance_overlap}


def _layer_rows(comparison: ScoreComparison, at: MaskComparison) -> Iterator[Row]:
    for score, counts in zip(comparison.scores, at.layers, strict=True):
        for index, (layer, size) in enumerate(comparison.sizes.items()):
            yield {
                "score": score,
                "layer": layer,
                "layer_index": index,
                "layer_weights": size,
                "layer_kept": int(counts[index]),
                "layer_density": counts[index] / size,
            }


def _mask_rows(comparison: ScoreComparison, at: MaskComparison) -> Iterator[Row]:
    for score, found, sha256 in zip(comparison.scores, at.connections, at.hashes, strict=True):
        yield {
            "score": score,
            "live_weights": found.live,
            "effective_density": found.effective_density,
            "empty_layers": list(found.empty_layers),
            "dead_layers": None if found.dead_layers is None else list(found.dead_layers),
            "disconnected_shortcuts": (
                None if found.disconnected_shortcuts is None else list(found.disconnected_shortcuts)
            ),
            "collapsed": found.collapsed,
            "mask_sha256": sha256,
        }


def _kept_rows(comparison: ScoreComparison, at: MaskComparison) -> Iterator[Row]:
    kept = at.kept
    for i, mask in enumerate(comparison.scores):
        for j, score in enumerate(comparison.scores):
            yield {
                "mask": mask,
                "score": score,
                "value": kept.values[i, j],
                "best": kept.best[j],
                "chance": kept.chance[j],
                "share": kept.share[i, j],
                "above_chance": kept.above_chance[i, j],
            }


def _price_rows(comparison: ScoreComparison, at: MaskComparison) -> Iterator[Row]:
    for (target, control), price in at.prices.items():
        columns = {
            "level": price.levels,
            "target_value": price.targets,
            "control_value": price.controls,
            "target_kept": price.target_kept,
            "control_kept": price.control_kept,
            "target_above_chance": price.target_above_chance,
            "multiplier": price.multipliers,
            "relative_multiplier": price.relative_multipliers,
        }
        for point, status in enumerate(price.statuses):
            values = {name: column[point] for name, column in columns.items()}
            yield {"target": target, "control": control, "status": status, **values}


def _pairs(comparison: ScoreComparison, name: str, matrix: Floats) -> Iterator[Row]:
    """A row for every ordered pair, also of a score with itself: a pivot gives the complete matrix."""
    for i, first in enumerate(comparison.scores):
        for j, second in enumerate(comparison.scores):
            yield {"score_a": first, "score_b": second, name: matrix[i, j]}


def _rows(
    comparison: ScoreComparison, make: Callable[[ScoreComparison, MaskComparison], Iterator[Row]]
) -> Iterator[Row]:
    for at in comparison.densities:
        for row in make(comparison, at):
            yield {"density": float(at.density), "kept_weights": at.kappa, **row}


def _parquet(schema: pa.Schema, rows: Iterable[Row]) -> bytes:
    content = [{name: _known(value) for name, value in row.items()} for row in rows]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(content, schema=schema), buffer)
    return buffer.getvalue()


def _known(value: Any) -> Any:
    """None for NaN and infinity; Python's numbers for numpy's."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
