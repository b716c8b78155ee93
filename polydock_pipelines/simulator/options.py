"""How a simulator is started, and what may be changed while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from polydock_pipelines.simulator.model import Role

Clock = Callable[[], datetime]


def real_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SimulatorOptions:
    """Where a simulator listens and how quick its cluster is. Port 0 takes any free one.

    `home` holds its SSH keys, its known_hosts and the directories that stand in for containers.
    The cluster's command host never shares a port with the token host.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 9000
    ssh_port: int = 9022
    command_ssh_port: int | None = None
    smtp_port: int = 9025
    build_seconds: float = 5.0
    remove_seconds: float = 2.0
    latency_ms: float = 0
    wake_seconds: float = 0
    clock: Clock = field(default=real_clock)


class Settings(BaseModel):
    """What `PUT /_sim/settings` may change. Times of the cluster run by the simulator's clock."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    build_seconds: float = Field(default=5.0, ge=0, le=86400)
    remove_seconds: float = Field(default=2.0, ge=0, le=86400)
    route_seconds: float = Field(default=0.3, ge=0, le=600)
    latency_ms: float = Field(default=0, ge=0, le=60000)
    wake_seconds: float = Field(default=0, ge=0, le=600)
    token_seconds: float = Field(default=300, gt=0, le=86400)
    group_role: Role = Role.OWNER
    """The calling user's role in the seeded groups."""
    organization_role: Role | None = Role.OWNER
    """The calling user's role in both organizations; null for a stranger."""
    separate_command_host: bool = True
    """False: no command host is named, and the token host runs commands too."""

    @classmethod
    def of(cls, options: SimulatorOptions) -> "Settings":
        """Return the settings that *options* ask for."""
        return cls(
            build_seconds=options.build_seconds,
            remove_seconds=options.remove_seconds,
            latency_ms=options.latency_ms,
            wake_seconds=options.wake_seconds,
        )
