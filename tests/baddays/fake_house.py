"""A house over a Lagoon in memory, in whose runs workers may die."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from polydock_pipelines.actions.advance import Visit
from polydock_pipelines.db.handovers import Chunk
from tests.baddays.house import AiThing, House, work_run
from tests.baddays.meddling import WorkerDiedError
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.lagoon import FakeLagoon, StoredEnvironment


@dataclass
class FakeHouse(House):
    """A house over a Lagoon in memory."""

    lagoon: FakeLagoon = field(kw_only=True)
    ai: FakeAmazeeAi = field(kw_only=True, default_factory=FakeAmazeeAi)
    chunks: list[Chunk] = field(default_factory=list[Chunk], init=False)
    """Every hand-over there was; a run may begin late, or twice."""

    def due(self) -> list[Chunk]:
        """See `House.due`; the chunks are kept. A sensor may die in mid-tick too."""
        try:
            chunks = super().due()
        except WorkerDiedError:
            return []
        self.chunks += chunks
        return chunks

    def work(self, chunk: Chunk) -> list[Visit]:
        """Let a run work a chunk, or die over it."""
        with suppress(WorkerDiedError):
            return work_run(self.database, self.ports, chunk)
        return []

    def tick(self) -> list[Visit]:
        """See `House.tick`; the death of one run is not that of others."""
        self.keep_time()
        visits = [visit for chunk in self.due() for visit in self.work(chunk)]
        self.look_at_builds()
        return visits

    def forget_builds_of(self, environment: StoredEnvironment) -> None:
        """Let Lagoon purge an environment's builds, and not count them any more.

        Nobody can know that they ever were: one whose start got no answer may be started again.
        """
        gone = {b.deployment.id for b in self.lagoon.state.builds if b.environment is environment}
        self.lagoon.ping()
        self.builds = {number: build for number, build in self.builds.items() if number not in gone}

    def ai_things(self) -> list[AiThing]:
        """See `House.ai_things`."""
        state = self.ai.state
        return [
            *(AiThing("key", one.key.name) for one in state.keys.values()),
            *(AiThing("user", one.user.email) for one in state.users.values()),
            *(AiThing("team", one.name) for one in state.teams.values()),
        ]

    def projects(self) -> list[dict[str, Any]]:
        """See `House.projects`."""
        stored = self.lagoon.state.projects.values()
        return [
            {"name": p.name, "gitUrl": p.git_url, "metadata": p.metadata}
            for p in (one.project for one in stored)
        ]

    def builds_now(self) -> list[dict[str, Any]]:
        """See `House.builds_now`."""
        state = self.lagoon.state
        names = {one.project.id: one.project.name for one in state.projects.values()}
        return [
            {
                "id": build.deployment.id,
                "project": names[build.environment.project_id],
                "bulkId": build.deployment.bulk_id,
            }
            for build in state.builds
        ]
