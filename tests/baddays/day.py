"""One bad day: what goes wrong, and how the day must end all the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from polydock_pipelines.simulator.world import World
from tests.baddays.asking import Asks, a_purge, an_operator, the_end_of_grace
from tests.baddays.offers import SCRIPTED, Offer

CLAIMED = "running-healthy-claimed"
REMOVED = "removed"
ALWAYS = 10_000
"""Until somebody mends it."""
SHORT_S = 0.35
"""How long we wait for an answer on days when none comes."""


Befalls = Callable[[World], object]


@dataclass(frozen=True)
class Trouble:
    """A fault of the simulated Lagoon."""

    match: str
    kind: str
    times: int = 1
    words: str | None = None
    """What Lagoon says; None: what it usually does."""


@dataclass(frozen=True)
class BadDay:
    """One row."""

    name: str
    faults: tuple[Trouble, ...] = ()
    cluster: Mapping[str, object] = field(default_factory=dict[str, object])
    """Settings of the simulator for this day; `well` takes them back."""
    well: Mapping[str, object] = field(default_factory=dict[str, object])
    offer: Offer = SCRIPTED
    token: str | None = None
    is_upgrade: bool = False
    """Everything happens to the upgrade of an instance that was claimed on a good day."""
    is_upgraded: bool = False
    """Once claimed it is upgraded too, under the same faults."""
    remove_at: str | None = None
    """The status at which its removal is asked for."""
    removed_by: Asks = an_operator
    """Who asks for it."""
    once_removed: Asks | None = None
    """Everything happens to what is asked for once it was removed on a good day."""
    ends: str = CLAIMED
    """Failed: the cause is mended, then an operator retries. Neither failed nor at rest: the day
    waits, and the mending alone is enough."""
    says: tuple[str, ...] = ()
    """Words that an operator finds: in the status line of what failed or waits, else in the log."""
    befalls: Befalls | None = None
    """What somebody does at the outside when the faults begin."""
    owes: bool = False
    """Something cannot be given back; when the cause is mended it is, by itself."""
    mended_store: Mapping[str, object] = field(default_factory=dict[str, object])
    """What the catalogue corrects on the store."""
    mend: Befalls | None = None
    """What somebody changes in Lagoon."""
    mended_scripts: Mapping[str, str] = field(default_factory=dict[str, str])
    mended_key: str | None = None
    builds: int = 1
    """Builds in the whole life of the instance, the mended part included."""
    strikes_at: str | None = None
    """The status at which the faults begin; None: they wait for the signup."""
    minutes: int = 130
    """How long anybody waits for the end; two hours without Lagoon must fail nobody."""

    @property
    def goal(self) -> str:
        """Return where it ends when the cause is mended."""
        is_to_go = self.remove_at is not None or self.once_removed in (a_purge, the_end_of_grace)
        return REMOVED if is_to_go else CLAIMED

    @property
    def timeout_s(self) -> float:
        """Return how long a client waits on this day."""
        return SHORT_S if any(fault.kind == "timeout" for fault in self.faults) else 10.0
