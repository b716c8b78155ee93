"""Launches runs through the Dagster webserver's GraphQL; the sensors make good what fails here.

LauncherError             Dagster refused the run
'- LauncherEndpointError  the webserver is away
"""

from collections.abc import Mapping
from http import HTTPStatus

import httpx
from pydantic import BaseModel, Field, ValidationError

from polydock_pipelines.ports import EndpointError, Launch, PortError

ENDPOINT = "dagster"
LOCATION = "polydock_pipelines"
REPOSITORY = "__repository__"
"""Dagster's name for a code location's only repository."""


class LauncherError(PortError):
    """Dagster refused to launch a run."""


class LauncherEndpointError(LauncherError, EndpointError):
    """The webserver is away; the run may have been launched."""


class _Run(BaseModel):
    run_id: str = Field(alias="runId")


class _ConfigError(BaseModel):
    message: str = ""


class _Result(BaseModel):
    typename: str = Field(alias="__typename")
    run: _Run | None = None
    message: str = ""
    errors: list[_ConfigError] = Field(default_factory=list[_ConfigError])


class _Data(BaseModel):
    launch_run: _Result = Field(alias="launchRun")


class _Error(BaseModel):
    message: str = ""


class _Answer(BaseModel):
    data: _Data | None = None
    errors: list[_Error] | None = None


class DagsterLauncher:
    """`ports.Launcher`: one request a launch, never repeated."""

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        *,
        connect_timeout_s: float = 2.0,
        timeout_s: float = 10.0,
    ) -> None:
        """Use the webserver at *url*, its own path prefix included, without `/graphql`."""
        self._http = http
        self._url = f"{url.rstrip('/')}/graphql"
        self._timeout = httpx.Timeout(timeout_s, connect=connect_timeout_s)

    def launch(self, job: str, run_config: Mapping[str, object], tags: Mapping[str, str]) -> Launch:
        """Ask for a run of *job*; LauncherError with Dagster's own message when it refuses."""
        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": REPOSITORY,
                "jobName": job,
            },
            "runConfigData": dict(run_config),
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        answer = self._post({"query": LAUNCH_RUN, "variables": {"params": params}}, job)
        if answer.data is None:
            message = answer.errors[0].message if answer.errors else "no data"
            raise LauncherError(f"Dagster does not understand the launch of {job}: {message[:300]}")
        result = answer.data.launch_run
        if result.run is None:
            raise LauncherError(f"Dagster refused to launch {job}: {_reason(result)}")
        return Launch(run_id=result.run.run_id)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, body: Mapping[str, object], job: str) -> _Answer:
        try:
            response = self._http.post(self._url, json=body, timeout=self._timeout)
        except httpx.RequestError as error:
            raise LauncherEndpointError(
                f"The Dagster webserver did not answer the launch of {job} "
                f"({type(error).__name__}).",
                endpoint=ENDPOINT,
            ) from None
        try:
            # Dagster answers 400 to a document it cannot read, with the reason in the body.
            if response.is_success or response.status_code == HTTPStatus.BAD_REQUEST:
                return _Answer.model_validate_json(response.content)
        except ValidationError:
            pass
        raise LauncherEndpointError(
            f"HTTP {response.status_code} without a GraphQL answer at POLYDOCK_DAGSTER_URL "
            f"to the launch of {job}.",
            endpoint=ENDPOINT,
        )


def _reason(result: _Result) -> str:
    messages = [error.message for error in result.errors] or [result.message]
    return f"{result.typename} {'; '.join(messages)}".strip()[:500]


LAUNCH_RUN = """
mutation LaunchRun($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""
