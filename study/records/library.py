"""Results that already exist: those of all studies of a storage, by identity."""

import copy
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from study.records.observer import Observer
from study.records.store import ARTIFACTS, TRIALS, StudyStore, studies
from study.records.trial import RESULTS, StudyTrial, TrialRecord

REFRESH_S = 10.0  # one listing per study: cheap, but not for every trial
HEAD = 16  # the characters of an identity that a record's name contains

# The name of a study, and one of its trials.
StoredResult = tuple[str, StudyTrial]


class Library(Observer):
    """Finds trials that need not be run again: those of the same identity, with a status in `RESULTS`.

    The results of its own study it receives as an observer, at once. Of the other studies it knows the names
    of their records. These are listed at first use, and again in the background if something is not found and
    the list is older than `REFRESH_S`: with many studies on an object store a listing takes seconds, and
    trials would wait for it. Only records with a matching name are read. One that cannot be read here (it
    needs a plugin, or another version wrote it) is not found.

    Args:
        storage_uri: The storage of all studies.
        own: The name of this study.
    """

    def __init__(self, storage_uri: str, own: str) -> None:
        self.storage_uri = storage_uri
        self.own = own
        self._mine: dict[str, StudyTrial] = {}
        self._stores: dict[str, StudyStore] = {}
        self._records: dict[str, list[tuple[str, str]]] = {}  # head of identity -> (study, record's name)
        self._listed: float | None = None
        self._listing: Future[None] | None = None
        self._beside = ThreadPoolExecutor(max_workers=1)

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Add the results of earlier launches."""
        for trial in trials:
            self.ended(trial)

    def ended(self, trial: StudyTrial) -> None:
        """Add a result; of several with one identity the first one stays."""
        if trial.identity and trial.status in RESULTS:
            self._mine.setdefault(trial.identity, trial)

    def find(self, identity: str) -> StoredResult | None:
        """A result with this identity.

        Args:
            identity: See `cops_core.identity`.

        Returns:
            A result of its own study, else of the first study by name; None if there is no such result.
        """
        if identity in self._mine:
            return self.own, self._mine[identity]
        if self._listed is None:
            self._list()
        found = self._lookup(identity)
        if found is None and self._is_old:
            self._listing = self._beside.submit(self._list)
        return found

    @property
    def _is_old(self) -> bool:
        """Whether the list of all studies is old, and no new one is being made."""
        being_made = self._listing is not None and not self._listing.done()
        return not being_made and time.monotonic() - (self._listed or 0) > REFRESH_S

    def adopt(self, trial: StudyTrial, found: StoredResult, store: StudyStore) -> None:
        """Give a result to another trial, which receives a copy of its artefact.

        A network that is missing, or was altered since it was written, does not prevent this: the facts
        then have `artifact_missing`.

        Args:
            trial: The trial that receives the result.
            found: The result, as `find` returned it.
            store: The study of `trial`.
        """
        study, source = found
        trial.rows, trial.stamps, trial.facts = copy.deepcopy((source.rows, source.stamps, source.facts))
        trial.status, trial.reason = source.status, source.reason
        trial.reused_from = source.reused_from or f"{study}/{source.name}"
        facts = trial.facts
        artifact = None if facts is None else facts.pop("artifact", None)
        if facts is None or artifact is None:
            return
        name = f"{ARTIFACTS}/{trial.name}.safetensors"
        try:
            content = self._store(study).read(artifact["file"])
            if hashlib.sha256(content).hexdigest() != artifact["sha256"]:
                facts["artifact_missing"] = f"{study}/{artifact['file']} has been altered"
                return
            store.write(name, content)
        except OSError as error:
            facts["artifact_missing"] = f"{type(error).__name__}: {error}"
            return
        facts["artifact"] = {**artifact, "file": name}

    def _list(self) -> None:
        """List the records of all studies. A storage that does not answer is asked again later."""
        listed: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        try:
            for store in studies(self.storage_uri):
                self._stores.setdefault(store.name, store)
                for file in sorted(store.files(TRIALS)):
                    if head := _head(file):
                        listed[head].append((store.name, file))
            self._records = dict(listed)
        except OSError:
            pass
        self._listed = time.monotonic()

    def _lookup(self, identity: str) -> StoredResult | None:
        for study, file in self._records.get(identity[:HEAD], ()):
            trial = self._read(study, file, identity)
            if trial is not None:
                return study, trial
        return None

    def _read(self, study: str, file: str, identity: str) -> StudyTrial | None:
        """The trial of a record; None if it is not a result of this identity, or cannot be read here."""
        try:
            record: TrialRecord = json.loads(self._store(study).read(f"{TRIALS}/{file}"))
            if record["identity"] != identity or record["status"] not in RESULTS:
                return None
            return StudyTrial.from_record(record)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            return None

    def _store(self, study: str) -> StudyStore:
        return self._stores.setdefault(study, StudyStore(self.storage_uri, study))


def _head(file: str) -> str:
    """The first characters of the identity in a record's name, `NUMBER-IDENTITY16.json`; else empty."""
    head = file.partition("-")[2].removesuffix(".json")
    return head if file.endswith(".json") and len(head) == HEAD else ""
