"""What an instance holds at amazee.ai is given back: keys, users with their tokens, teams.

Each call is safe to repeat, and what is gone already is done. Facts: contracts, amazee-ai §8.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from polydock_pipelines.lifecycle.holding import AI_KINDS, Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.ports import NotFoundError, PortError, StepPorts
from polydock_pipelines.ports.amazee_ai import AiKeyRef, AiTeam, AmazeeAi
from polydock_pipelines.steps import removal
from polydock_pipelines.steps.credentials import ANSWER_LOST, is_own

TRIES = 5
"""After so many a removal goes on without, and what could not be given back is owed."""


def give_back_and_record(instance: Instance, ports: StepPorts) -> Outcome:
    """Give back what the instance holds at amazee.ai; then record the removal as usual."""
    held = [one for one in instance.holdings if one.kind in AI_KINDS]
    waiting = _for_a_late_answer(held, ports)
    if waiting is not None:
        return waiting
    returned: list[Holding] = []

    def close(one: Holding) -> None:
        ports.journal.give_back(one)
        returned.append(one)

    try:
        give_back(held, ports.amazee_ai, close)
    except PortError as error:
        if instance.attempt < TRIES:
            return Failed(str(error))
        owed = [one for one in held if one not in returned]
        for one in owed:
            ports.journal.owe(one, str(error))
        return _recorded(instance, ports, f"{len(owed)} things at amazee.ai are owed: {error}")
    return _recorded(instance, ports, "")


def _for_a_late_answer(held: Collection[Holding], ports: StepPorts) -> Waiting | None:
    """Wait while something may still be in the making: it would come when all is given back."""
    lately = [one.meant_at for one in held if one.external_id is None and one.meant_at is not None]
    until = max(lately, default=ports.clock.now() - ANSWER_LOST) + ANSWER_LOST
    if until <= ports.clock.now():
        return None
    note = "something at amazee.ai may still be in the making; looking again"
    return Waiting(until, note=note, is_unsure=True)


def _recorded(instance: Instance, ports: StepPorts, note: str) -> Outcome:
    done = removal.record(instance, ports)
    return Done(done.facts, note or done.note) if isinstance(done, Done) else done


def give_back(held: Collection[Holding], ai: AmazeeAi, close: Callable[[Holding], None]) -> None:
    """Delete all that *held* names, and call *close* for what stands no more.

    The entries are those of one instance. PortError at the first thing that cannot be deleted: what
    comes later hangs on it.
    """
    users = [one.name for one in held if one.kind is HoldingKind.AI_USER]
    assert all(map(is_own, users))  # noqa: S101 - only such users enter the ledger
    for kind in AI_KINDS:
        mine = [one for one in held if one.kind is kind]
        if kind is HoldingKind.AI_KEY:
            _delete_keys(held, ai)
        for one in mine:
            _GIVING[kind](one, ai)
            close(one)


def _delete_keys(held: Collection[Holding], ai: AmazeeAi) -> None:
    """Delete the keys that are known, and those that are found: their record may have been lost."""
    for key_id in sorted({one.id for part in (_known(held, ai), _found(held, ai)) for one in part}):
        with suppress(NotFoundError):
            ai.keys.delete(key_id)


def _known(held: Collection[Holding], ai: AmazeeAi) -> Iterator[AiKeyRef]:
    """Return the keys whose numbers we know, unless the number is another's by now."""
    for one in held:
        if one.kind is HoldingKind.AI_KEY and one.external_id is not None:
            with suppress(NotFoundError):
                key = ai.keys.ref(one.external_id)
                if key.name == one.name:
                    yield key


def _found(held: Collection[Holding], ai: AmazeeAi) -> Iterator[AiKeyRef]:
    """Return all keys of our own users and teams, and of other owners those of our names."""
    names = {one.name for one in held if one.kind is HoldingKind.AI_KEY}
    own = {one.name for one in held if one.kind in (HoldingKind.AI_USER, HoldingKind.AI_TEAM)}
    others = {one.owner for one in held if one.kind is HoldingKind.AI_KEY}
    for owner in sorted(own | others):
        for key in _keys_of(owner, ai):
            if owner in own or key.name in names:
                yield key


def _keys_of(owner: str, ai: AmazeeAi) -> list[AiKeyRef]:
    """Return the keys of an address or of a team's name; none when there is no such owner."""
    if "@" in owner:
        user = ai.users.by_email(owner)
        return ai.keys.refs_of_user(user.id) if user else []
    team = ai.teams.by_name(owner) if owner else None
    return [*ai.keys.refs_of_team(team.id), *_keys_of_members(team, ai)] if team else []


def _keys_of_members(team: AiTeam, ai: AmazeeAi) -> Iterator[AiKeyRef]:
    """Return the keys that people of the team have had made while it stood.

    What they had before is theirs, as their accounts are: nobody may delete those.
    """
    for member in ai.teams.members(team.id):
        for key in ai.keys.refs_of_user(member.id):
            if key.created_at and team.created_at and key.created_at >= team.created_at:
                yield key


def _gone_with_its_keys(_one: Holding, _ai: AmazeeAi) -> None:
    """Nothing is left to do: keys were deleted together, and a token ended with its user."""


def _delete_user(one: Holding, ai: AmazeeAi) -> None:
    user = ai.users.by_email(one.name)
    if user is not None:
        with suppress(NotFoundError):
            ai.users.delete(user.id)


def _delete_team(one: Holding, ai: AmazeeAi) -> None:
    team = ai.teams.by_name(one.name)
    if team is not None:
        with suppress(NotFoundError):
            ai.teams.delete(team.id)


_GIVING: dict[HoldingKind, Callable[[Holding, AmazeeAi], None]] = {
    HoldingKind.AI_KEY: _gone_with_its_keys,
    HoldingKind.AI_TOKEN: _gone_with_its_keys,
    HoldingKind.AI_USER: _delete_user,
    HoldingKind.AI_TEAM: _delete_team,
}
