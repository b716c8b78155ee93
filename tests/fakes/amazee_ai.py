"""An amazee.ai in memory, with the soft facts of the contract amazee-ai.

A key's alias is locked per region by its owner's address and its name, as LiteLLM does it; deleting
a key frees it. Names in `locked_names` are locked without any key to be seen.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import RLock
from typing import NamedTuple

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    InUseError,
    NotFoundError,
    PortError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import (
    AMAZEE_AI,
    AiDatabase,
    AiKey,
    AiKeyRef,
    AiRegion,
    AiTeam,
    AiToken,
    AiUser,
    NewAiKey,
    NewAiTeam,
    NewAiUser,
)

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
REGION = AiRegion(1, "eu", is_active=True)


@dataclass(frozen=True)
class TeamLimits:
    """How much a team may have; who is in no team is never counted."""

    users: int = 1
    user_keys: int = 1
    """Of each user."""
    team_keys: int = 5
    databases: int = 5
    """Of the team and its users."""


USUAL_LIMITS = TeamLimits()


class AmazeeAiCall(NamedTuple):
    """One call: `users.create`, …, and its arguments by name, without secrets."""

    operation: str
    arguments: Mapping[str, object]


@dataclass
class StoredUser:
    """A user and what hangs on it."""

    user: AiUser
    new: NewAiUser | None = None
    """What made it; None for one that the constructor was given."""
    tokens: list[AiToken] = field(default_factory=list[AiToken])


@dataclass
class StoredKey:
    """A key and its cap."""

    key: AiKey
    region_id: int
    alias: str
    budget_usd: float | None = None


class FakeAmazeeAi:
    """`ports.amazee_ai.AmazeeAi` in memory.

    `failing={"keys.create": [error, …]}` raises one error a call, in order, before anything
    happens; `failing_after=` raises after the call was carried out, as a lost answer does. `None`
    in a list lets that call through.
    """

    def __init__(
        self,
        *,
        regions: Iterable[AiRegion] = (REGION,),
        users: Iterable[AiUser] = (),
        keys: Iterable[AiKey] = (),
        teams: Iterable[AiTeam] = (),
        is_admin: bool = True,
        is_active: bool = True,
        locked_names: Collection[str] = (),
        limits: TeamLimits | None = USUAL_LIMITS,
        failing: Mapping[str, Sequence[PortError | None]] | None = None,
        failing_after: Mapping[str, Sequence[PortError | None]] | None = None,
    ) -> None:
        """Hold what is given.

        `is_admin`, `is_active`: of our own account; without the first everything refuses us, the
        second only `ping` minds. `limits`: None when the service counts nothing.
        """
        self.calls: list[AmazeeAiCall] = []
        self.state = _State(
            calls=self.calls,
            regions={region.id: region for region in regions},
            teams={team.id: team for team in teams},
            is_admin=is_admin,
            is_active=is_active,
            locked_names=set(locked_names),
            limits=limits,
            failing={name: list(errors) for name, errors in (failing or {}).items()},
            failing_after={name: list(errors) for name, errors in (failing_after or {}).items()},
        )
        for user in users:
            kept = replace(user, email=user.email.lower())
            self.state.users[user.id] = StoredUser(kept)
        for key in keys:
            self.state.hold_key(key)
        self.state.count_on()
        self._users = _Users(self.state)
        self._keys = _Keys(self.state)
        self._teams = _Teams(self.state)

    @property
    def users(self) -> "_Users":
        return self._users

    @property
    def keys(self) -> "_Keys":
        return self._keys

    @property
    def teams(self) -> "_Teams":
        return self._teams

    def ping(self) -> None:
        """See `ports.amazee_ai.AmazeeAi.ping`."""
        with self.state.call("ping", needs_admin=False):
            self.state.who_are_we()

    def check(self) -> None:
        """See `ports.amazee_ai.AmazeeAi.check`."""
        with self.state.call("check", needs_admin=False):
            self.state.who_are_we()

    def region(self, region_id: int) -> AiRegion:
        """See `ports.amazee_ai.AmazeeAi.region`."""
        with self.state.call("region", region_id=region_id):
            if region_id not in self.state.regions:
                raise NotFoundError(f"There is no region {region_id}.")
            return self.state.regions[region_id]

    def operations(self) -> list[str]:
        """Return the names of the methods called, in order."""
        return [call.operation for call in self.calls]

    def stored_user(self, email: str) -> StoredUser | None:
        """Return a user with its tokens; None when there is none of that address."""
        found = (one for one in self.state.users.values() if one.user.email == email.lower())
        return next(found, None)

    @property
    def stored_keys(self) -> list[StoredKey]:
        """All keys that stand, with their caps; those whose owner is gone, too."""
        return list(self.state.keys.values())

    @property
    def stored_teams(self) -> list[AiTeam]:
        """All teams that stand."""
        return list(self.state.teams.values())


@dataclass
class _State:
    calls: list[AmazeeAiCall]
    regions: dict[int, AiRegion]
    teams: dict[int, AiTeam]
    is_admin: bool
    is_active: bool
    locked_names: set[str]
    limits: TeamLimits | None
    failing: dict[str, list[PortError | None]]
    failing_after: dict[str, list[PortError | None]]
    users: dict[int, StoredUser] = field(default_factory=dict[int, StoredUser])
    keys: dict[int, StoredKey] = field(default_factory=dict[int, StoredKey])
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    lock: RLock = field(default_factory=RLock)

    @contextmanager
    def call(
        self, operation: str, *, needs_admin: bool = True, **arguments: object
    ) -> Iterator[None]:
        """Carry one call out, alone: steps run in threads."""
        with self.lock:
            self.calls.append(AmazeeAiCall(operation, arguments))
            _raise_next(self.failing, operation)
            if needs_admin and not self.is_admin:
                raise EndpointError("amazee.ai refuses our account.", endpoint=AMAZEE_AI)
            yield
            _raise_next(self.failing_after, operation)

    def who_are_we(self) -> None:
        if not (self.is_admin and self.is_active):
            raise EndpointError("We are no active administrator.", endpoint=AMAZEE_AI)

    def count_on(self) -> None:
        """Number new things after those that are there."""
        self.ids = count(max([*self.users, *self.keys, *self.teams], default=0) + 1)

    def user(self, user_id: int) -> StoredUser:
        if user_id not in self.users:
            raise NotFoundError(f"There is no user {user_id}.")
        return self.users[user_id]

    def team(self, team_id: int) -> AiTeam:
        if team_id not in self.teams:
            raise NotFoundError(f"There is no team {team_id}.")
        return self.teams[team_id]

    def active_region(self, region_id: int) -> AiRegion:
        region = self.regions.get(region_id)
        if region is None or not region.is_active:
            raise RefusedError(f"There is no region {region_id}, or it is switched off.")
        return region

    def hold_key(self, key: AiKey) -> None:
        """Take a key that existed before; its region, and its owner if any, must exist."""
        region_id = next(r.id for r in self.regions.values() if r.name == key.region)
        self.keys[key.id] = StoredKey(
            key, region_id, self.alias(key.owner_id, key.team_id, key.name)
        )

    def alias(self, owner_id: int | None, team_id: int | None, name: str) -> str:
        """Return what LiteLLM calls a key."""
        owner = ""
        if team_id is not None:
            owner = self.team(team_id).admin_email
        elif owner_id is not None:
            owner = self.user(owner_id).user.email
        return re.sub(r"[^\w-]", "_", f"{owner} - {name}".replace("@", "_at_"))[:255]

    def members(self, team_id: int) -> list[AiUser]:
        return [stored.user for stored in self.users.values() if stored.user.team_id == team_id]

    def check_key_limits(self, new: NewAiKey) -> None:
        """Refuse one key more than the team may have, be it the team's own or a user's."""
        team_id = new.team_id
        if new.owner_id is not None:
            team_id = self.user(new.owner_id).user.team_id
        if team_id is None or self.limits is None:
            return
        most = self.limits.team_keys if new.owner_id is None else self.limits.user_keys
        keys = [stored.key for stored in self.keys.values()]
        of_owner = [k for k in keys if (k.owner_id, k.team_id) == (new.owner_id, new.team_id)]
        if len(of_owner) >= most:
            raise RefusedError(f"Team {team_id} has too many AI keys.")
        users = {user.id for user in self.members(team_id)}
        of_team = [k for k in keys if k.team_id == team_id or k.owner_id in users]
        databases = sum(key.database is not None for key in of_team)
        if new.has_database and databases >= self.limits.databases:
            raise RefusedError(f"Team {team_id} has too many databases.")


def _raise_next(failures: dict[str, list[PortError | None]], operation: str) -> None:
    error = failures[operation].pop(0) if failures.get(operation) else None
    if error is not None:
        raise error


class _Users:
    def __init__(self, state: _State) -> None:
        self._state = state

    def by_email(self, email: str) -> AiUser | None:
        with self._state.call("users.by_email", email=email):
            return self._find(email)

    def create(self, new: NewAiUser) -> AiUser:
        with self._state.call("users.create", email=new.email, team_id=new.team_id, role=new.role):
            if self._find(new.email):
                raise AlreadyExistsError("A user of that address exists already.")
            if new.team_id is not None:
                members = self._state.members(self._state.team(new.team_id).id)
                limits = self._state.limits
                if limits is not None and len(members) >= limits.users:
                    raise RefusedError(f"Team {new.team_id} has too many users.")
            user = AiUser(next(self._state.ids), new.email.lower(), team_id=new.team_id)
            self._state.users[user.id] = StoredUser(user, new)
            return user

    def delete(self, user_id: int) -> None:
        with self._state.call("users.delete", user_id=user_id):
            self._state.user(user_id)
            if any(stored.key.owner_id == user_id for stored in self._state.keys.values()):
                raise InUseError(f"User {user_id} still has AI keys.")
            del self._state.users[user_id]

    def create_token(self, user_id: int, name: str) -> AiToken:
        with self._state.call("users.create_token", user_id=user_id, name=name):
            stored = self._state.user(user_id)
            number = next(self._state.ids)
            stored.tokens.append(AiToken(number, name))
            return AiToken(number, name, Secret(f"text-of-token-{number}"))

    def tokens(self, user_id: int) -> list[AiToken]:
        with self._state.call("users.tokens", user_id=user_id):
            return list(self._state.user(user_id).tokens)

    def _find(self, email: str) -> AiUser | None:
        users = (stored.user for stored in self._state.users.values())
        return next((user for user in users if user.email == email.lower()), None)


class _Keys:
    def __init__(self, state: _State) -> None:
        self._state = state

    def owned_by(self, user_id: int) -> list[AiKey]:
        with self._state.call("keys.owned_by", user_id=user_id):
            return [key for key in self._all() if key.owner_id == user_id]

    def of_team(self, team_id: int) -> list[AiKey]:
        with self._state.call("keys.of_team", team_id=team_id):
            team = self._state.teams.get(team_id)
            # The keys of a soft-deleted team stand, but are not listed.
            hidden = team is not None and team.is_deleted
            return [key for key in self._all() if key.team_id == team_id and not hidden]

    def refs_of_user(self, user_id: int) -> list[AiKeyRef]:
        with self._state.call("keys.refs_of_user", user_id=user_id):
            return [_ref(key) for key in self._all() if key.owner_id == user_id]

    def refs_of_team(self, team_id: int) -> list[AiKeyRef]:
        with self._state.call("keys.refs_of_team", team_id=team_id):
            team = self._state.teams.get(team_id)
            hidden = team is not None and team.is_deleted
            return [_ref(key) for key in self._all() if key.team_id == team_id and not hidden]

    def ref(self, key_id: int) -> AiKeyRef:
        with self._state.call("keys.ref", key_id=key_id):
            if key_id not in self._state.keys:
                raise NotFoundError(f"There is no key {key_id}.")
            return _ref(self._state.keys[key_id].key)

    def create(self, new: NewAiKey) -> AiKey:
        if (new.owner_id is None) == (new.team_id is None):
            raise ValueError(f"Key {new.name} must be for one user or for one team.")
        with self._state.call("keys.create", new=new):
            region = self._state.active_region(new.region_id)
            alias = self._state.alias(new.owner_id, new.team_id, new.name)
            self._state.check_key_limits(new)
            used = {(stored.region_id, stored.alias) for stored in self._state.keys.values()}
            if new.name in self._state.locked_names or (region.id, alias) in used:
                raise AlreadyExistsError(f"LiteLLM has a key {new.name} of that owner.")
            key = _made_key(next(self._state.ids), region, new)
            self._state.keys[key.id] = StoredKey(key, region.id, alias)
            return key

    def delete(self, key_id: int) -> None:
        with self._state.call("keys.delete", key_id=key_id):
            if key_id not in self._state.keys:
                raise NotFoundError(f"There is no key {key_id}.")
            del self._state.keys[key_id]

    def cap(self, region_id: int, key_id: int, usd: float) -> None:
        with self._state.call("keys.cap", region_id=region_id, key_id=key_id, usd=usd):
            stored = self._state.keys.get(key_id)
            if stored is None or stored.region_id != region_id:
                raise NotFoundError(f"There is no key {key_id} in region {region_id}.")
            if usd < 0:
                raise RefusedError("A budget is not negative.")
            stored.budget_usd = usd

    def _all(self) -> list[AiKey]:
        return [stored.key for stored in self._state.keys.values()]


class _Teams:
    def __init__(self, state: _State) -> None:
        self._state = state

    def by_name(self, name: str) -> AiTeam | None:
        with self._state.call("teams.by_name", name=name):
            return next((team for team in self._state.teams.values() if team.name == name), None)

    def create(self, new: NewAiTeam) -> AiTeam:
        with self._state.call("teams.create", new=new):
            self._state.active_region(new.region_id)
            for team in self._state.teams.values():
                if team.name == new.name or team.admin_email.lower() == new.admin_email.lower():
                    raise AlreadyExistsError("A team of that name or address exists already.")
            number = next(self._state.ids)
            team = AiTeam(number, new.name, new.admin_email, created_at=moment(number))
            self._state.teams[team.id] = team
            return team

    def members(self, team_id: int) -> list[AiUser]:
        with self._state.call("teams.members", team_id=team_id):
            return self._state.members(self._state.team(team_id).id)

    def delete(self, team_id: int) -> None:
        with self._state.call("teams.delete", team_id=team_id):
            self._state.team(team_id)
            for stored in self._state.users.values():
                if stored.user.team_id == team_id:
                    stored.user = replace(stored.user, team_id=None)
            for key in self._state.keys.values():
                if key.key.team_id == team_id:
                    key.key = replace(key.key, team_id=None)
            del self._state.teams[team_id]


def moment(number: int) -> datetime:
    """Return when the thing of that number was made: one after another."""
    return BEGINNING + timedelta(seconds=number)


def _ref(key: AiKey) -> AiKeyRef:
    return AiKeyRef(key.id, key.name, key.owner_id, key.team_id, moment(key.id))


def _made_key(number: int, region: AiRegion, new: NewAiKey) -> AiKey:
    database = AiDatabase(
        host=f"db.{region.name}.example.com",
        name=f"db_{number}",
        username=f"user_{number}",
        password=Secret(f"password-of-database-{number}"),
    )
    return AiKey(
        id=number,
        name=new.name,
        region=region.name,
        owner_id=new.owner_id,
        team_id=new.team_id,
        llm_url=f"https://llm.{region.name}.example.com",
        llm_token=Secret(f"sk-{number}"),
        database=database if new.has_database else None,
    )
