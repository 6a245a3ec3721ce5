"""A stand-in for a site: the interLink API's routes in this process, with pods whose states a test sets.

It obeys docs/wire/interlink.md, and stands in because faults and states must come when a test wants them; the
same paths with the real API, sidecar and Slurm are the end-to-end tests'.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from dte.interlink import wire
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.stream import send_watch


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Job:
    """A pod at the stand-in: the request it came with, and its containers' states by name."""

    request: dict[str, Any]
    number: int
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[bytes] = field(default_factory=list)
    log_is_over: bool = False

    @property
    def pod(self) -> dict[str, Any]:
        return dict(self.request["pod"])

    def run(self, *names: str) -> None:
        for name in names:
            self.states[name] = {"running": {"startedAt": now()}}

    def end(self, name: str, exit_code: int, reason: str = "") -> None:
        self.states[name] = {
            "terminated": {"exitCode": exit_code, "reason": reason, "startedAt": now(), "finishedAt": now()}
        }

    def names(self, key: str) -> list[str]:
        return [item["name"] for item in self.pod["spec"].get(key) or ()]

    @property
    def is_over(self) -> bool:
        return all("terminated" in self.states.get(name, {}) for name in self.names("containers"))

    def status(self) -> dict[str, Any]:
        meta = self.pod["metadata"]
        return {
            "name": meta["name"],
            "UID": meta["uid"],
            "namespace": meta["namespace"],
            "JID": str(self.number),
            "containers": [self._container(name) for name in self.names("containers")],
            "initContainers": [self._container(name) for name in self.names("initContainers")] or None,
        }

    def _container(self, name: str) -> dict[str, Any]:
        state = self.states.get(name, {"waiting": {"reason": "Priority", "message": "queued"}})
        return {
            "name": name,
            "state": state,
            "lastState": {},
            "ready": "running" in state,
            "restartCount": 0,
            "image": "",
            "imageID": "",
        }


class StandInSite:
    """What a test sees and sets."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.creates: list[str] = []
        """UIDs in the order of the create requests, repeated ones too."""
        self.deletes: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.next_answers: list[tuple[int, str]] = []
        """Status and body of the answers to the next creates, before they are taken."""
        self.warnings: list[str] = []
        self.is_down = False
        self.is_hung = False
        """Takes requests and does not answer, as behind a network that is cut."""
        self.ends_on_delete = True
        self.hub: WatchHub | None = None
        """Set before a virtual kubelet starts: a stream of changes; None: as upstream, none."""
        self.questions = 0
        """Requests for states."""
        self.ping: dict[str, Any] = {"status": "ok", "resources": {"cpu": "64", "memory": "256Gi", "pods": "500"}}
        self._next_number = 100

    def job_of(self, name: str) -> Job:
        """The job of the pod with that name."""
        return next(job for job in self.jobs.values() if job.pod["metadata"]["name"] == name)

    def has_job(self, name: str) -> bool:
        return any(job.pod["metadata"]["name"] == name for job in self.jobs.values())

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20, middlewares=[self._outage])
        app.add_routes(
            [
                web.post("/create", self._create),
                web.delete("/delete", self._delete),
                web.get("/status", self._status),
                web.get("/watch", self._watch),
                web.post("/pinglink", self._pinglink),
                web.get("/getLogs", self._logs),
            ]
        )
        return app

    @web.middleware
    async def _outage(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        while self.is_hung:
            await asyncio.sleep(0.05)
        if self.is_down:
            return web.Response(status=503, text="the site is down for the test", headers={"Retry-After": "1"})
        return await handler(request)

    async def _create(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        uid = body["pod"]["metadata"]["uid"]
        self.creates.append(uid)
        if self.next_answers:
            status, text = self.next_answers.pop(0)
            return web.Response(status=status, text=text)
        if uid not in self.jobs:
            self.jobs[uid] = Job(body, self._next_number)
            self._next_number += 1
        answer = {"PodUID": uid, "PodJID": str(self.jobs[uid].number), "warnings": self.warnings}
        return web.json_response(answer)

    async def _delete(self, request: web.Request) -> web.Response:
        uid = json.loads(await request.read())["metadata"]["uid"]
        self.deletes.append(uid)
        if self.ends_on_delete and uid in self.jobs:
            job = self.jobs[uid]
            for name in job.names("containers"):
                if "terminated" not in job.states.get(name, {}):
                    job.end(name, 143)
            job.log_is_over = True
        return web.Response(text="deleted")

    async def _status(self, request: web.Request) -> web.Response:
        self.questions += 1
        asked = [pod["metadata"]["uid"] for pod in json.loads(await request.read())]
        return web.json_response([self.jobs[uid].status() for uid in asked if uid in self.jobs])

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self.hub is None:
            return web.Response(status=404, text="404 page not found")
        with self.hub.reader() as reader:
            return await send_watch(request, reader)

    async def publish_forever(self) -> None:
        """Tests set states from another thread; the stream tells them from here."""
        while True:
            await asyncio.sleep(0.02)
            for uid, job in list(self.jobs.items() if self.hub is not None and not self.is_hung else ()):
                assert self.hub is not None
                self.hub.publish(wire.status_from(job.status()), deleted=uid in self.deletes and job.is_over)

    async def _pinglink(self, request: web.Request) -> web.Response:
        return web.json_response(self.ping)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        job = self.jobs.get(body["PodUID"])
        if job is None:
            return web.Response(status=404, text=f"no pod {body['PodUID']}")
        options = body["Opts"]
        response = web.StreamResponse()
        await response.prepare(request)
        sent = len(job.log) - options["Tail"] if options["Tail"] else 0
        sent = max(sent, 0)
        while True:
            for line in job.log[sent:]:
                await response.write(line)
            sent = len(job.log)
            if job.log_is_over or not options["Follow"]:
                return response
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving(site: StandInSite, socket: Path) -> AsyncIterator[str]:
    """The stand-in on a unix socket; yields its InterlinkURL."""
    runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()
        publisher = asyncio.create_task(site.publish_forever())
        yield f"unix://{socket}"
        publisher.cancel()
    finally:
        await runner.cleanup()
