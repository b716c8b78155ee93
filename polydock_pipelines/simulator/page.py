"""The simulator's one page for people: what stands, what builds, what was sent."""

from collections.abc import Iterable, Sequence
from html import escape

from polydock_pipelines.simulator.amazee_ai.model import AiKey, AmazeeAi
from polydock_pipelines.simulator.world import World

NOTICE = "This is a local stand-in for tests and demonstrations. It is not a Lagoon."
_ROWS = 50
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;"
    "color:#1c2733}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem;"
    "border-bottom:1px solid #dde3ea;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f3f6f9}.notice{background:#fff4d6;padding:.5rem .8rem;border-radius:4px}"
)


def page(world: World) -> str:
    """Return the page as HTML without anything to load."""
    world.settle()
    ledger = world.ledger
    builds = [build for _, build in sorted(world.builds.items(), reverse=True)]
    sections = [
        _table("Projects", ("Project", "Organization", "Environments", "Route"), _projects(world)),
        _table(
            "Builds",
            ("Build", "Project", "Environment", "Status"),
            [(b.name, b.environment.project.name, b.environment.name, b.status) for b in builds],
        ),
        _table(
            "Mails",
            ("To", "Subject", "At"),
            [
                (", ".join(m.recipients), m.subject, f"{m.received_at:%H:%M:%S}")
                for m in reversed(ledger.mails)
            ],
        ),
        _table(
            "Commands",
            ("Namespace", "Stage", "Exit"),
            [(c.namespace, c.stage, c.exit_code) for c in reversed(ledger.commands)],
        ),
        _table(
            "Webhooks",
            ("Name", "Body"),
            [(w.name, w.body[:300]) for w in reversed(ledger.webhooks)],
        ),
        *_amazee_ai(world.amazee_ai),
        _table("Requests", ("Root field", "Times"), sorted(ledger.requests.items())),
        _table(
            "Faults on order",
            ("Match", "Kind", "Times"),
            [(f.match, f.kind, f.times) for f in world.faults.waiting()],
        ),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="refresh" content="3"><title>Simulated Lagoon</title>'
        f"<style>{_STYLE}</style></head><body><h1>Simulated Lagoon</h1>"
        f'<p class="notice">{escape(NOTICE)}</p>{"".join(sections)}</body></html>'
    )


def _projects(world: World) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for project in reversed(world.projects.values()):
        organization = world.organizations.get(project.organization or 0)
        live = list(project.live.values())
        names = [f"{e.name} (going away)" if e.removal_at else e.name for e in live]
        routes = [e.route for e in live if e.route]
        rows.append(
            (
                project.name,
                organization.name if organization else "",
                ", ".join(names),
                ", ".join(routes),
            )
        )
    return rows


def _amazee_ai(ai: AmazeeAi) -> list[str]:
    names = {team.id: team.name for team in ai.teams.values()}
    users = [
        (u.email, "yes" if u.is_active else "no", names.get(u.team_id or 0))
        for u in reversed(ai.users.values())
    ]
    keys = [
        (k.name, _owner(ai, k), k.region.name, "yes" if k.vector_db else "no")
        for k in reversed(ai.keys.values())
    ]
    teams = [
        (t.name, t.admin_email, "soft-deleted" if t.deleted_at else "")
        for t in reversed(ai.teams.values())
    ]
    return [
        _table("AI users", ("Address", "Active", "Team"), users),
        _table("AI keys", ("Key", "Owner", "Region", "Database"), keys),
        _table("AI teams", ("Team", "Address", "State"), teams),
    ]


def _owner(ai: AmazeeAi, key: AiKey) -> str:
    user, team = ai.users.get(key.owner_id or 0), ai.teams.get(key.team_id or 0)
    return user.email if user else team.name if team else "nobody"


def _table(title: str, heads: Sequence[str], rows: Sequence[Iterable[object]]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[:_ROWS]
    )
    more = f"<p>{len(rows) - _ROWS} more.</p>" if len(rows) > _ROWS else ""
    count = f"<h2>{escape(title)} ({len(rows)})</h2>"
    return f"{count}<table><tr>{head}</tr>{body}</table>{more}"


def _shown(cell: object) -> str:
    return "" if cell is None else str(cell)
