"""HTTP with an end: what both REST and GraphQL clients need of a request and of its repetition."""

import time
from collections.abc import Mapping

import httpx
import stamina

MAX_ANSWER = 64 * 1024 * 1024


def answer_to(
    http: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
    params: Mapping[str, str | int] | None = None,
    timeout_s: float,
    connect_timeout_s: float,
) -> tuple[int, bytes]:
    """Return status and body; redirects are not followed.

    httpx bounds each read, not the sum of them; a server that trickles must not hold us. So
    httpx.ReadTimeout comes, too, when the whole takes longer than *timeout_s* or is too large.
    """
    end = time.monotonic() + timeout_s
    received = bytearray()
    with http.stream(
        method,
        url,
        params=params or None,
        content=content,
        headers=headers,
        timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
        follow_redirects=False,
    ) as response:
        for chunk in response.iter_bytes():
            received += chunk
            if time.monotonic() > end or len(received) > MAX_ANSWER:
                raise httpx.ReadTimeout("the answer takes too long")
        return response.status_code, bytes(received)


def retrying(
    error: type[Exception], *, attempts: int, timeout_s: float, wait_s: float
) -> stamina.BoundRetryingCaller:
    """Return a caller that repeats what fails with *error*, for requests that are safe twice."""
    return stamina.RetryingCaller(
        attempts=attempts,
        timeout=timeout_s,
        wait_initial=wait_s,
        wait_max=2.0,
        wait_jitter=wait_s,
    ).on(error)
