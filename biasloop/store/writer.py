"""Committing the steps of a run; the only place that writes into a run's directory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from biasloop.config.flatten import flatten
from biasloop.contract.data import Arrays
from biasloop.errors import DamagedStore, StoreError
from biasloop.records.record import Model, Record
from biasloop.store import codec, seal
from biasloop.store.aside import set_aside
from biasloop.store.codec import Header
from biasloop.store.entries import EXPERIMENT, PARTIAL, check_entries
from biasloop.store.files import remove_temporaries, sha256, write_atomically
from biasloop.store.manifest import MEMORY, NAME, SETUP, Entry, Manifest, model_file, read_manifest
from biasloop.store.reader import Run
from biasloop.store.remains import is_remains, unnamed
from biasloop.system.claims import Claim

STATE = "@state"


@dataclass
class RunWriter(Run):
    """A run's directory, open for writing.

    Attributes:
        claim: on the directory; whatever changes there changes under it, and not once it is lost.
        made_with: versions, device, host and threads of this process.
        keep_models: keep every round's models instead of the newest only.
        notices: what happened at opening that a person should know.
        described: what the manifest said about the run when it was opened.
    """

    claim: Claim
    made_with: Mapping[str, str] = field(default_factory=dict)
    keep_models: bool = False
    notices: list[str] = field(default_factory=list)
    described: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create_or_resume(
        cls, directory: Path, identity: Mapping[str, Any], about: Mapping[str, Any], made_with: Mapping[str, str],
        claim: Claim, *, keep_models: bool = False, defaults: Mapping[str, Any] | None = None,
    ) -> "RunWriter":  # fmt: skip
        """A new run, or the one that lies there if it is of the same experiment.

        `defaults` (flat keys) stand for settings that a run made by an earlier biasloop does not name.

        Raises:
            StoreError: another experiment, or something that is no run, lies there.
            DamagedStore: what lies there cannot be read.
            Lost: another process has taken the claim over.
        """
        remove_temporaries(directory)
        remove_temporaries(directory / PARTIAL)
        if not (directory / EXPERIMENT).exists():
            refuse_foreign(directory)
            write_atomically(directory / EXPERIMENT, tomli_w.dumps(dict(identity)).encode(), claim=claim)
        begun = (directory / NAME).exists() or any(directory.glob("*.h5"))
        manifest = read_manifest(directory) if begun else Manifest(sha256((directory / EXPERIMENT).read_bytes()))
        writer = cls(directory, manifest, claim, made_with, keep_models)
        if claim.silenced:
            writer.notices.append(f"{directory} was held by {claim.silenced}, which is silent for too long: taken over")
        refuse_other(directory, {**(defaults or {}), **flatten(writer.identity)}, flatten(identity))
        writer.described = manifest.about
        manifest.about = {**about, **{key: value for key, value in manifest.about.items() if key == MEMORY}}
        if not begun:
            manifest.write(directory, claim)
        for name in manifest.files:
            writer.check_size(name)
        writer._take_in_orphans()
        return writer

    @property
    def head(self) -> str:
        """SHA-256 of the newest step's file; empty before the set-up."""
        return self.manifest.head

    def commit(self, step: str, record: Record, seconds: float) -> int:
        """Make a step part of the run: models first, then the record, then the manifest.

        Returns:
            Bytes written for the step.

        Raises:
            StoreError: something could not be written; the run is as it was before.
            Lost: another process has taken the claim over; nothing was written.
        """
        self.claim.check()
        header = self._header(step, record)
        entries = []
        if record.models:
            data = codec.encode(replace(header, kind="model"), Record(models=record.models))
            entries.append(Entry(model_file(step), len(data), sha256(data)))
            write_atomically(self.directory / model_file(step), data, flush=False, claim=self.claim)
        data = codec.encode(header, record.without_models())
        environment = self.manifest.environment(self.made_with)
        entries.append(Entry(f"{step}.h5", len(data), sha256(data), round(seconds, 3), environment))
        write_atomically(self.directory / f"{step}.h5", data, claim=self.claim)
        self._name(entries)
        return sum(entry.bytes for entry in entries)

    def _header(self, step: str, record: Record) -> Header:
        kind = "setup" if step == SETUP else "round"
        return Header(kind, step, self.manifest.experiment, self.head, ",".join(sorted(record.models)))

    def _superseded(self, entries: list[Entry]) -> list[str]:
        """Model files of earlier rounds that new ones replace."""
        new = [entry.name for entry in entries if entry.name.startswith("model-")]
        if self.keep_models or not new:
            return []
        kept = {*new, model_file(SETUP)}
        return [name for name in self.manifest.files if name.startswith("model-") and name not in kept]

    def _name(self, entries: list[Entry]) -> None:
        """Name a step's files, forget the models they replace; if that fails, nothing has changed in memory."""
        before = Manifest(**vars(self.manifest))
        before.files, before.lines = dict(before.files), dict(before.lines)
        superseded = self._superseded(entries)
        for name in superseded:
            self.manifest.drop(name)
        for entry in entries:
            self.manifest.add(entry)
        try:
            self.manifest.write(self.directory, self.claim)
        except StoreError:
            self.manifest = before
            raise
        for name in superseded:
            self.claim.remove(self.directory / name)

    def _take_in_orphans(self) -> None:
        """Adopt a step that was written but not yet named, clear what a kill left, set every other file aside."""
        orphans = unnamed(self.directory, self.manifest)
        for name in [name for name in orphans if not name.startswith("model-")]:
            entries = self._adoptable(name.removesuffix(".h5"))
            if entries:
                self._name(entries)
                self.notices.append(f"adopted {name}, which was whole but not yet in the manifest")
                for entry in entries:
                    orphans.pop(entry.name, None)
        for name, path in orphans.items():
            if is_remains(path, self.manifest, orphans):
                self.claim.remove(path)
                continue
            target = set_aside(self.directory, [path], self.claim)
            self.notices.append(f"set {name} aside in {target}: it was not part of the run")

    def _adoptable(self, step: str) -> list[Entry]:
        """Entries of a step's files if they are whole, of this experiment, and continue this history."""
        try:
            data = (self.directory / f"{step}.h5").read_bytes()
            header, _ = codec.decode(data, step)
            if (header.name, header.experiment, header.parent) != (step, self.manifest.experiment, self.head):
                return []
            entries = [Entry(f"{step}.h5", len(data), sha256(data), None, self.manifest.environment(self.made_with))]
            if header.models:
                data = (self.directory / model_file(step)).read_bytes()
                carried, _ = codec.decode(data, step)
                if carried != replace(header, kind="model"):
                    return []
                entries.insert(0, Entry(model_file(step), len(data), sha256(data)))
        except (OSError, DamagedStore):
            return []
        return entries

    def put_partial(self, key: str, arrays: Arrays, logs: Record) -> None:
        """Keep the state of an unfinished step; gone at its commit.

        Raises:
            StoreError: it could not be written.
            Lost: another process has taken the claim over; nothing was written.
        """
        self.claim.check()
        check_entries(self.directory)
        path = self._partial(key)
        path.parent.mkdir(exist_ok=True)
        header = Header("partial", key, self.manifest.experiment, self.head)
        record = replace(logs, models={**logs.models, STATE: Model("state", arrays)})
        seal.write(path, header, record, self.claim)

    def get_partial(self, key: str) -> tuple[Arrays, Record] | None:
        """What was kept under that key in this very step, or None.

        Raises:
            DamagedStore: it is not as it was written, or lacks the state; it counts as absent.
        """
        path = self._partial(key)
        kept = seal.read(path)
        if kept is None:
            return None
        header, record = kept
        if (header.name, header.experiment, header.parent) != (key, self.manifest.experiment, self.head):
            return None
        models = dict(record.models)
        if STATE not in models:
            raise DamagedStore(f"{path} is damaged (it lacks the state)")
        return models.pop(STATE).arrays, replace(record, models=models)

    def _partial(self, key: str) -> Path:
        return self.directory / PARTIAL / f"{key.replace('/', '.')}.h5"

    def clear_partial(self) -> None:
        """Forget everything of the step that was just committed, or of a run that is finished."""
        self.claim.remove(self.directory / PARTIAL)


def refuse_foreign(directory: Path) -> None:
    """Refuse a directory that holds something else than a run.

    Raises:
        StoreError: naming what it holds.
    """
    strange = sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    if strange:
        raise StoreError(f"{directory} is not empty and not a run (it holds {strange[0]!r}); use another --output")


def refuse_other(directory: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse another experiment than that of a run; both by flat key.

    Raises:
        StoreError: naming the keys that differ, and how.
    """
    differing = [
        f"{key} is {old.get(key, 'not set')!r} there and {new.get(key, 'not set')!r} here"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if differing:
        raise StoreError(f"{directory} holds another experiment: {'; '.join(differing)}; use another --output")
