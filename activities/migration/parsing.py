"""Parses a stored upload into columnar chunks, which are stored beside it."""

import dataclasses
from collections.abc import Iterator

from temporalio import activity

from activities.connections import Connections
from activities.migration.job import LoadedJob, before_import, load_before_import
from activities.migration.keys import new_chunk_key, new_chunk_number
from domain.failures import BadInput
from domain.json_document import Json
from domain.migration.job import Phase, Status
from settings import Settings
from sources import Source
from sources.readers.chunk import Profile
from sources.sandbox.parent import parsing
from sources.sandbox.protocol import ParseSpec
from sources.version import READERS
from storage.migration import jobs as migration
from workflows.migration import messages as m
from workflows.migration import steps


class ParseActivities:
    """Parsing can be restarted: chunk n depends only on the file and on the version of the readers,
    so chunks that are stored already are kept."""

    def __init__(self, connections: Connections, settings: Settings) -> None:
        self._database, self._store = connections.database, connections.store
        self._connections = connections
        self._settings = settings

    @activity.defn(name=steps.inspect_upload.name)
    async def inspect_upload(self, ref: m.JobRef) -> m.Upload:
        """Find the stored file and pin it by its ETag. Raises BadInput `source_changed` if it is
        not the one that was uploaded."""
        job = await load_before_import(self._database, ref)
        stored = await self._store.stat(job.row["object_key"])
        if stored.etag != job.row["object_etag"]:
            detail = "the stored file is no longer the one that was uploaded"
            raise BadInput("source_changed", detail)
        async with before_import(self._database, ref) as connection:
            await migration.advance(connection, job.id, Status.PENDING, Phase.PARSING)
        return m.Upload(size=stored.size, etag=stored.etag)

    @activity.defn(name=steps.parse_upload.name)
    async def parse_upload(self, input: m.ParseInput) -> m.Parsed:
        """Store the file's chunks and record its profile. Raises BadInput if the file is faulty."""
        job = await load_before_import(self._database, input.job)
        chunks, profile = await self._parse(job, input.etag)
        _check_zone(job, profile)
        warnings = [*profile.warnings, *_about(profile, job.source)]
        async with before_import(self._database, input.job) as connection:
            await migration.note(
                connection,
                job.id,
                total_records=profile.records,
                chunks=chunks,
                profile=_as_json(profile),
                warnings=warnings,
            )
        return m.Parsed(records=profile.records, chunks=chunks)

    async def _parse(self, job: LoadedJob, etag: str) -> tuple[int, Profile]:
        """Store every chunk that is not stored yet; how many the file has, and its profile."""
        memory = self._connections.memory
        listed = self._store.list(f"{job.prefix}/")
        stored = {new_chunk_number(each.key) async for each in listed} - {None}
        spec = ParseSpec(
            source=job.source.system,
            format=job.row["format"],
            table=job.source.table(job.entity.name),
            charset=job.row["charset"],
            delimiter=job.row["delimiter"],
            skip_chunks=frozenset(stored),
            memory_bytes=self._settings.parse_memory_bytes,
            data_bytes=memory.process_bytes,
            cpu_seconds=self._settings.parse_deadline_seconds,
        )
        key = job.row["object_key"]
        feed = await self._store.local_path(key, etag) or self._store.stream(key, etag)
        held = memory.processes.holding(memory.of_parser(job.row["object_size"]))
        async with held, parsing(spec, feed) as events:
            async for event in events:
                if isinstance(event, Profile):
                    return len(event.chunks), event
                await self._store.put_file(new_chunk_key(job.prefix, event.number), event.path)
        raise RuntimeError("the parser ended without a profile")


def _check_zone(job: LoadedJob, profile: Profile) -> None:
    """Raises BadInput if the user named a zone, but the file shows that the values which are read
    are in UTC."""
    if job.names_another_zone and job.source.values_of([*profile.columns], ()) == "both":
        detail = (
            "the file holds each value as stored, in UTC, beside the one displayed, and the stored"
            " ones are read; leave sourceTimezone out, or set mapping.sourceTimezone to insist"
        )
        raise BadInput("time_zone_contradicted", detail)


def _about(profile: Profile, source: Source) -> Iterator[str]:
    """Warnings about the file as a whole, which are shown with the job."""
    if profile.ignored:
        counts = ", ".join(f"{count:,} {name}" for name, count in profile.ignored.items())
        yield f"left out, as they are no records of this kind: {counts}"
        if any(name.endswith("(deleted)") for name in profile.ignored):
            yield (
                "records that the file marks as deleted are not imported; none of your records is"
                " deleted"
            )
    if not profile.records:
        yield "the file holds no records"
    read = (profile.records, profile.records + sum(profile.ignored.values()))
    ends = [count for count in read if source.export_limit and count % source.export_limit == 0]
    if profile.records and ends:
        yield (
            f"the file has exactly {ends[0]:,} records, and the source system ends an export after"
            f" {source.export_limit:,} of them: some may be missing"
        )


def _as_json(profile: Profile) -> Json:
    found = {"columns": list(profile.columns), "readers": READERS}
    return {**dataclasses.asdict(profile), **found}
