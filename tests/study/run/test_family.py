"""A whole study that searches the score family, from its launch to the words about its best region."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cops_core.config import parse_config
from cops_core.scores import Member

from .command import children, cops

# The space gss on small images, in one round, so that the study takes seconds.
SPACE = """
from search_spaces.gss import gss


def space(trial):
    "The family on the digits."
    config = gss(trial)
    selection = config.selection.model_copy(update={"rounds": 1})
    return config.changed(dataset="digits", validation_fraction="0.2", selection=selection)
"""


@pytest.mark.slow
def test_a_study_of_the_family_and_its_report(tmp_path):
    (tmp_path / "family.py").write_text(SPACE)
    words = ("--trials", 14, "--epochs", 1, "--stopping", "none", "--rates", "0.95")
    done = cops(tmp_path, "launch", "family.py", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    home = tmp_path / "cops-home"
    records = [json.loads(path.read_text()) for path in sorted((home / "studies/family/trials").iterdir())]
    searched = [parse_config(record["config"]).selection for record in records[3:]]
    assert all(isinstance(selection.target, Member) for selection in searched)
    assert {len(selection.controls) for selection in searched} >= {1, 3}
    for record, selection in zip(records[3:], searched, strict=True):
        keys = [score.key for score in selection.scores]
        assert list(record["facts"]["manifest"]["scores"]) == keys
    rows = pq.read_table(home / "studies/family/trials.parquet").to_pylist()
    assert [row["target"] for row in rows[3:]] == [selection.target.key for selection in searched]
    client, parent, nested = children(home, "family")
    kinds = {run.data.tags["target"] for run in nested}
    assert kinds == {"", "snip", *(selection.target.kind for selection in searched)}
    page = Path(client.download_artifacts(parent.info.run_id, "report/report.html", str(tmp_path)))
    assert "too few to tell which region is best: 20 are needed" in page.read_text()
