"""amazee.ai credentials of an instance: found or made, safe to repeat.

The ledger knows what is meant before it is made, so a death in between loses nothing. Keys carry
the project's name, which no other instance has: two instances of one person never share one.
Facts: contracts, amazee-ai §2, §4.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.naming import admin_password
from polydock_pipelines.lifecycle.outcome import Failed, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    NotFoundError,
    PortError,
    StepPorts,
)
from polydock_pipelines.ports.amazee_ai import (
    AiKey,
    AiRegion,
    AiUser,
    NewAiKey,
    NewAiUser,
)

ANSWER_LOST = timedelta(minutes=4)
"""So long a creation without an answer may still be under way: more than the client waits."""
OWN_DOMAIN = "@autogen.null"
MOST_NAMES = 9
POSTGRES_PORT = "5432"
"""Of the vector databases: no answer of amazee.ai names another."""


def own_address(instance: Instance) -> str:
    """Return the address of the user that is the instance's own; no mail ever goes there."""
    return f"{instance.name}{OWN_DOMAIN}"


def is_own(address: str) -> bool:
    """Whether *address* is of a user that was made for an instance, and no person's."""
    return address.endswith(OWN_DOMAIN)


def key_name(instance: Instance) -> str:
    """Return what the instance's key is called, as the original engine called it."""
    return f"{instance.name}-proj-creds"


def region_problem(instance: Instance, ports: StepPorts) -> Failed | None:
    """Return why no credentials can be had: no region, or one that is unknown or switched off."""
    region_id = instance.target.ai_region_id
    if region_id is None:
        reason = "the store has no amazee.ai region; set amazee_ai_region_id"
        return _not_without(reason, instance)
    ports.amazee_ai.check()
    try:
        region = ports.amazee_ai.region(region_id)
    except NotFoundError:
        return _not_without(f"amazee.ai has no region {region_id}; choose another", instance)
    if region.is_active:
        return None
    reason = f"amazee.ai has switched off region {region_id} ({region.name}); choose another"
    return _not_without(reason, instance)


def _not_without(reason: str, instance: Instance) -> Failed:
    """Say what to do. A retry follows a mended store only while there is no project."""
    has_project = instance.facts.lagoon_project_id is not None
    then = "remove this instance and make another" if has_project else "retry"
    return Failed(f"{reason} in the catalogue, apply it, then {then}", is_final=True)


def region_of(instance: Instance, ports: StepPorts) -> AiRegion:
    """Return the instance's region, which `region_problem` has found good."""
    region_id = instance.target.ai_region_id
    assert region_id is not None  # noqa: S101 - region_problem looked
    return ports.amazee_ai.region(region_id)


def ensure_user(
    instance: Instance, ports: StepPorts, new: NewAiUser, *, is_own: bool = True
) -> AiUser:
    """Return the user of exactly this address, made if need be.

    *is_own*: the user is the instance's, and goes with it. One that existed before is nobody's to
    delete, so it never enters the ledger; a person's own user does not either.
    """
    entry = Holding(HoldingKind.AI_USER, new.email)
    known = instance.holding(entry.kind, entry.name)
    user, is_ours = ports.amazee_ai.users.by_email(new.email), known is not None
    if user is None and is_own:
        user, is_ours = _made_user(ports, new, entry, known)
    elif user is None:
        user = ports.amazee_ai.users.create(new)
    if is_own and is_ours and (known is None or known.external_id != user.id):
        ports.journal.hold(replace(entry, external_id=user.id))
    return user


def _made_user(
    ports: StepPorts, new: NewAiUser, entry: Holding, known: Holding | None
) -> tuple[AiUser, bool]:
    """Return the user, and whether we made it, now or by a call whose answer was lost."""
    try:
        with meant(ports, entry, known):
            return ports.amazee_ai.users.create(new), True
    except AlreadyExistsError:
        found = ports.amazee_ai.users.by_email(new.email)
        if found is None:
            raise
        return found, known is not None


@contextmanager
def meant(ports: StepPorts, entry: Holding, known: Holding | None) -> Generator[None]:
    """Enter in the ledger what the body is about to make; strike it out when it is refused.

    After a lost answer the entry stays, and so it does where an earlier call may have been heard;
    with its id, if it had one: what is listed no more may stand all the same.
    """
    ports.journal.hold(entry)
    try:
        yield
    except EndpointError:
        raise
    except PortError:
        if known is None:
            ports.journal.let_go(entry)
        elif known.external_id is not None:
            ports.journal.hold(known)
        raise


def new_user(email: str, *, team_id: int | None = None, role: str | None = None) -> NewAiUser:
    """Return a user to be made, with a random password that nobody is told."""
    return NewAiUser(email, admin_password(), team_id, role)


@dataclass(frozen=True)
class KeyPlan:
    """A key that an instance is to have."""

    new: NewAiKey
    owner: str
    """The address or the team's name, for the ledger."""
    listed: Callable[[], list[AiKey]]
    """Ask for the keys of its owner."""
    region: str
    """The region's name, as keys have it."""


def key_of_user(instance: Instance, ports: StepPorts, user: AiUser) -> AiKey | Waiting | Failed:
    """Return the instance's full key, owned by *user*."""
    region = region_of(instance, ports)
    new = NewAiKey(region.id, key_name(instance), owner_id=user.id)
    keys = ports.amazee_ai.keys
    plan = KeyPlan(new, user.email, lambda: keys.owned_by(user.id), region.name)
    return ensure_key(instance, ports, plan)


def own_key(instance: Instance, ports: StepPorts) -> AiKey | Waiting | Failed:
    """Return the full key of the instance's own user; both are made if need be.

    One that stands goes on working when its region is switched off: that only keeps from new ones.
    """
    bad = None if _has_key(instance) else region_problem(instance, ports)
    if bad is not None:
        return bad
    return key_of_user(
        instance, ports, ensure_user(instance, ports, new_user(own_address(instance)))
    )


def _has_key(instance: Instance) -> bool:
    keys = (one for one in instance.holdings if one.kind is HoldingKind.AI_KEY)
    return any(one.external_id is not None for one in keys)


def ensure_key(instance: Instance, ports: StepPorts, plan: KeyPlan) -> AiKey | Waiting | Failed:
    """Return the key of *plan*, made if there is none, under its name or a numbered one."""
    found = _find(plan)
    if found is not None:
        return _recorded(instance, ports, plan, found)
    for name in names(plan.new.name):
        made = _make(instance, ports, plan, name)
        if made is not None:
            return made
    return Failed(
        f"amazee.ai has locked {plan.new.name} and {MOST_NAMES - 1} numbered names after it; "
        "delete these aliases in LiteLLM, then retry",
        is_final=True,
    )


def names(base: str) -> Iterator[str]:
    """Return the names that a key may have, in order; the first is the usual one."""
    yield base
    yield from (f"{base}-{number}" for number in range(2, MOST_NAMES + 1))


def _find(plan: KeyPlan) -> AiKey | None:
    """Return our key among the owner's, by name and region; the oldest, should there be two."""
    order = {name: position for position, name in enumerate(names(plan.new.name))}
    ours = [k for k in plan.listed() if k.name in order and k.region == plan.region]
    return min(ours, key=lambda k: (order[k.name], k.id), default=None)


def _make(
    instance: Instance, ports: StepPorts, plan: KeyPlan, name: str
) -> AiKey | Waiting | Failed | None:
    """Make the key under *name*; None when the key service has locked that name."""
    entry = Holding(HoldingKind.AI_KEY, name, plan.owner, region_id=plan.new.region_id)
    known = instance.holding(entry.kind, name)
    if known is not None and known.external_id is None and known.meant_at is not None:
        again = known.meant_at + ANSWER_LOST
        if ports.clock.now() < again:
            return Waiting(again, is_unsure=True)  # the line that says why stays
    if known is not None and known.external_id is not None:
        _discard(ports, known)
    try:
        with meant(ports, entry, known):
            key = ports.amazee_ai.keys.create(replace(plan.new, name=name))
    except AlreadyExistsError:
        key = _find(plan)
        if key is None:
            return None
    except EndpointError:
        key = _found_after_all(plan)
        if key is None:
            raise
    return _recorded(instance, ports, plan, key)


def _discard(ports: StepPorts, known: Holding) -> None:
    """Delete a key that we made and that is not listed whole: it would keep its name locked."""
    keys, key_id = ports.amazee_ai.keys, known.external_id
    assert key_id is not None  # noqa: S101 - the caller looked
    with suppress(NotFoundError):
        if keys.ref(key_id).name == known.name:
            keys.delete(key_id)


def _found_after_all(plan: KeyPlan) -> AiKey | None:
    """Look whether a creation without a good answer has happened; None also when nobody says."""
    with suppress(EndpointError):
        return _find(plan)
    return None


def _recorded(instance: Instance, ports: StepPorts, plan: KeyPlan, key: AiKey) -> AiKey:
    """Write the key to the ledger, and give it its cap."""
    known = instance.holding(HoldingKind.AI_KEY, key.name)
    entry = Holding(
        HoldingKind.AI_KEY,
        key.name,
        plan.owner,
        external_id=key.id,
        region_id=plan.new.region_id,
        budget_usd=known.budget_usd if known and known.external_id == key.id else None,
    )
    if known is None or known.external_id != key.id:
        ports.journal.hold(entry)
    budget = instance.app.ai_budget_usd
    if budget is not None and budget != entry.budget_usd:
        ports.amazee_ai.keys.cap(plan.new.region_id, key.id, budget)
        ports.journal.hold(replace(entry, budget_usd=budget))
    return key


def kept(instance: Instance, ports: StepPorts, name: str, make: Callable[[], Secret]) -> Secret:
    """Return the secret that is kept under *name*; made and kept the first time."""
    if name in instance.kept:
        return instance.kept[name]
    value = make()
    ports.journal.keep(name, value)
    return value
