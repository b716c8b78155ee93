"""The door for apps that tell their health; the original engine's answers."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from polydock_pipelines.actions.report_health import HealthError, report_health
from polydock_pipelines.db.database import Database
from polydock_pipelines.lifecycle.status import RUNNING
from polydock_pipelines.lifecycle.transitions import ClaimedError, NotAllowedError
from polydock_pipelines.ports import Clock

PATH = "/api/instance/{which}/health/{status}"
NOT_READY = "Current status is not ready for health check update"
OTHER_OWNER = "Health check may not change claimed/unclaimed state"


def add_instance_health(app: FastAPI, db: Database, clock: Clock) -> None:
    """Add the route. *which* is `UUID.TOKEN`, as the app's variable has it, or UUID and ?token=."""

    def tell(which: str, status: str, token: str = "") -> JSONResponse:
        """Take what an app says of itself."""
        uuid, _, told = which.partition(".")
        try:
            stands = report_health(db, uuid, told or token, status, clock.now())
        except HealthError as error:
            more = {"allowed_statuses": sorted(RUNNING)} if "running" in str(error) else {}
            return _failed(error.code, str(error), **more)
        except ClaimedError:
            return _failed(409, OTHER_OWNER)
        except NotAllowedError:
            return _failed(400, NOT_READY)
        message = "Health status updated successfully"
        answer = {"message": message, "instance": uuid, "status": stands, "status_code": 200}
        return JSONResponse(answer)

    app.get(PATH)(tell)
    app.post(PATH)(tell)


def _failed(code: int, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": message, "status_code": code, **more}, code)
