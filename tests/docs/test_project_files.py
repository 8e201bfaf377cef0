"""What others read before the code: how to cite it, which hooks and which CI it has."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .pages import PAGES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = {
    name: yaml.safe_load((ROOT / name).read_text())
    for name in ("CITATION.cff", ".pre-commit-config.yaml", ".github/workflows/ci.yml")
}
CITATION, HOOKS, WORKFLOW = FILES.values()
RUN = (ROOT / ".ci" / "run").read_text()
PARTS = re.findall(r"^PARTS=\((.*)\)$", RUN, re.MULTILINE)[0].split()


def matrix(job):
    """The values for which a job is repeated, by name."""
    return job.get("strategy", {}).get("matrix", {})


def pythons(job):
    """The versions of Python in which a job runs."""
    (step,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python")]
    version = step["with"]["python-version"]
    return matrix(job)["python"] if version == "${{ matrix.python }}" else [version]


def lines(job):
    """What a job runs, once for each part in its matrix."""
    written = [step["run"] for step in job["steps"] if "run" in step]
    parts = matrix(job).get("part", [""])
    return [line.replace("${{ matrix.part }}", part) for part in parts for line in written]


def test_the_citation_is_of_this_version_and_names_the_papers_of_the_readme():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(CITATION)
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    assert f"\n## {PROJECT['version']} (" in (ROOT / "CHANGELOG.md").read_text()
    cited = {paper["url"] for paper in CITATION["references"]}
    assert cited == set(re.findall(r"https://arxiv\.org/abs/[\d.]+", PAGES["README.md"]))
    for paper in CITATION["references"]:
        assert {"type", "title", "authors", "year"} <= set(paper)
        assert all(set(author) == {"family-names", "given-names"} for author in paper["authors"])


def test_only_the_citation_has_addresses():
    for name in FILES:
        found = set(re.findall(r"\w+://([\w.]+)", (ROOT / name).read_text()))
        assert found == ({"arxiv.org"} if name == "CITATION.cff" else set())


def test_hooks_are_the_projects_own_and_run_what_its_environment_has():
    (repository,) = HOOKS["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert re.match(r"uv run (ruff|mypy|python)\b", hook["entry"])
    assert {hook["id"]: hook["entry"].split()[-1] for hook in repository["hooks"] if "files" in hook} == {
        "arguments": ".ci/arguments.py",
        "constraints": ".ci/constraints.py",
    }


@pytest.mark.parametrize(
    ("hook", "file"),
    [
        ("arguments", "study/settings.py"),
        ("arguments", "search_spaces/question/pareto.py"),
        ("arguments", "study/arguments.py"),
        ("constraints", "pyproject.toml"),
        ("constraints", "constraints.txt"),
    ],
)
def test_a_generator_runs_when_its_source_or_its_file_changes(hook, file):
    (found,) = [entry for entry in HOOKS["repos"][0]["hooks"] if entry["id"] == hook]
    assert (ROOT / file).is_file()
    assert re.search(found["files"], file)


def test_the_workflow_runs_every_part_of_ci_but_that_of_a_gpu():
    run = [words for job in WORKFLOW["jobs"].values() for words in lines(job) if words.startswith(".ci/run ")]
    assert {part for words in run for part in words.split()[1:]} == set(PARTS) - {"gpu"}
    assert all(re.search(rf"^{part}\(\) \{{$", RUN, re.MULTILINE) for part in PARTS)


def test_the_workflow_checks_on_the_oldest_python_and_tests_on_newer_ones():
    jobs = WORKFLOW["jobs"]
    allowed = SpecifierSet(PROJECT["requires-python"])
    (oldest,) = pythons(jobs["check"])
    assert f">={oldest}" in str(allowed)
    assert jobs["tiers"]["container"]["image"].startswith(f"python:{oldest}-")
    newer = pythons(jobs["newer-python"])
    assert all(version in allowed and Version(version) > Version(oldest) for version in newer)
    assert "uv run pytest" in lines(jobs["newer-python"])


@pytest.mark.parametrize("script", ["run", "check"])
def test_ci_is_a_script_that_bash_reads_and_may_be_run(script):
    path = ROOT / ".ci" / script
    assert path.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", path], check=True)


def test_an_unknown_part_of_ci_is_one_line():
    done = subprocess.run([ROOT / ".ci" / "run", "fasion"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: unknown part 'fasion' (known: {' '.join(PARTS)})\n"
