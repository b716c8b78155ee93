"""A bare caller of amazee.ai: it sends requests, and shows what came back, status and all."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx

from tests.integration.simulator.caller import Hands

Json = Any  # the shape of an answer is what a test is about


@dataclass(frozen=True)
class AiCaller:
    """Sends requests with one token."""

    url: str
    """The simulator's, without a path."""
    token: str
    clock: Hands
    http: httpx.Client

    def send(self, method: str, path: str, **more: Json) -> httpx.Response:
        """Send a request and return the whole answer."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.http.request(method, f"{self.url}/amazee-ai{path}", headers=headers, **more)

    def get(self, path: str, **query: Json) -> Json:
        """Return what is there."""
        answer = self.send("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Json) -> Json:
        """Return what was made."""
        answer = self.send("POST", path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def refusal(self, method: str, path: str, **body: Json) -> tuple[int, Json]:
        """Return status and detail of a request that is refused."""
        answer = self.send(method, path, json=body or None)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["detail"]

    def user(self, email: str = "trial-1@autogen.null", **more: Json) -> int:
        """Make a user and return its number."""
        return self.post("/users", email=email, **more)["id"]

    def key(self, owner: int, name: str = "trial-1-proj-creds", **more: Json) -> Json:
        """Make a key of a user in the first region."""
        return self.post("/private-ai-keys", region_id=1, name=name, owner_id=owner, **more)

    def team(self, name: str = "gpt-trial-1", email: str = "ann@example.com", **more: Json) -> int:
        """Make a team and return its number."""
        return self.post("/teams", name=name, admin_email=email, region_id=1, **more)["id"]

    def as_user(self, user_id: int) -> "AiCaller":
        """Return a caller with a token of that user."""
        made = self.post("/auth/token", name="a test's", user_id=user_id)
        return replace(self, token=made["token"])

    def control(self, method: str, path: str, **body: Json) -> httpx.Response:
        """Do something at amazee.ai behind its clients' backs."""
        url = f"{self.url}/_sim/amazee-ai{path}"
        answer = self.http.request(method, url, json=body or None)
        assert answer.status_code < 300, answer.text
        return answer

    def order(self, match: str, kind: str, **more: object) -> None:
        """Order a fault."""
        fault = {"match": match, "kind": kind, **more}
        answer = self.http.post(f"{self.url}/_sim/faults", json=fault)
        assert answer.status_code == 201, answer.text

    def at(self, days: int = 0) -> str:
        """Return the time so many days from now, as amazee.ai writes it."""
        return f"{(self.clock() + timedelta(days=days)).replace(tzinfo=None).isoformat()}Z"

    def state(self, part: str) -> Json:
        """Return one part of amazee.ai's state."""
        answer = self.http.get(f"{self.url}/_sim/state", params={"parts": "amazee_ai"})
        return answer.json()["amazee_ai"][part]
