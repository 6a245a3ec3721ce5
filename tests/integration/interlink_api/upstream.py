"""Upstream's programs as the protocol's page says they behave: its virtual kubelet, and plugins of several releases."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.integration.interlink_api.site import Client

ZERO_TIME = "0001-01-01T00:00:00Z"


def go_pod(uid: str, name: str = "hello", namespace: str = "climate") -> dict[str, Any]:
    """As Go marshals a pod: empty fields are written out."""
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": None},
        "spec": {
            "volumes": [{"name": "kube-api-access", "projected": {"sources": None, "defaultMode": 420}}],
            "containers": [
                {
                    "name": "c",
                    "image": "img",
                    "command": ["/bin/bash", "-c"],
                    "args": ["echo hello"],
                    "resources": {},
                    "volumeMounts": [{"name": "kube-api-access", "readOnly": True, "mountPath": "/var/run/secrets"}],
                }
            ],
            "restartPolicy": "Never",
            "serviceAccountName": "default",
            "nodeName": "node1",
        },
        "status": {"phase": "Pending", "hostIP": "127.0.0.1", "podIP": "127.0.0.1"},
    }


class Kubelet:
    """Upstream's virtual kubelet since 0.5: one request for each pod, and it takes the first element of an answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, pod: dict[str, Any]) -> str:
        """The job id; raises what makes this virtual kubelet fail the pod."""
        token = {"metadata": {"name": "kube-api-access", "creationTimestamp": None}, "data": {"token": "eyJ"}}
        body = {"pod": pod, "configmaps": None, "secrets": None, "projectedvolumesmaps": [token], "jobscriptURL": ""}
        answer = await self._client.call("POST", "/create", body, **_session("CreatePod"))
        if answer.status != 200:
            raise RuntimeError(answer.text)
        created = json.loads(answer.text)
        assert created["PodUID"] == pod["metadata"]["uid"], "it stores the id of no other pod"
        return str(created["PodJID"])

    async def state(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        """Element 0 of the answer; None, no change, when it is missing."""
        answer = await self._client.call("GET", "/status", [pod], **_session("GetStatus"))
        assert answer.status == 200, answer.text
        states = json.loads(answer.text)
        return states[0] if states and states[0]["name"] else None

    async def update_cache(self, pod: dict[str, Any]) -> int:
        return (await self._client.call("POST", "/updateCache", pod, **_session("UpdateCache"))).status

    async def delete(self, pod: dict[str, Any]) -> int:
        return (await self._client.call("DELETE", "/delete", pod, **_session("DeletePod"))).status

    async def ping(self) -> int:
        return (await self._client.call("POST", "/pinglink", b"", **_session("PingInterLink"))).status

    async def logs(self, pod: dict[str, Any]) -> str:
        metadata = pod["metadata"]
        body = {
            "Namespace": metadata["namespace"],
            "PodUID": metadata["uid"],
            "PodName": metadata["name"],
            "ContainerName": "c",
            "Opts": {
                "Tail": 0,
                "Bytes": 0,
                "Timestamps": False,
                "Follow": False,
                "Previous": False,
                "SinceSeconds": 0,
                "SinceTime": ZERO_TIME,
            },
        }
        return (await self._client.call("GET", "/getLogs", body, **_session("GetLogs"))).text


def _session(name: str) -> dict[str, str]:
    return {"InterLink-Http-Session": f"{name}#{random.randrange(100000)}"}


class OldPlugin:
    """What upstream's plugins do, one trait each; none has /watch."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.asked: list[list[str]] = []
        """UIDs of each status request."""
        self.reset()

    def reset(self) -> None:
        """It behaves, but for what all of them do."""
        self.wants_list = False
        """Create is a list of one (before 0.5); an object is an error."""
        self.breaks_on: set[str] = set()
        """Pods whose mere presence in a status request makes it fail."""
        self.empty: set[str] = set()
        """Pods whose states have no containers."""
        self.cached: list[Any] = []
        """States of other pods, and whatever else, that stand before those asked for."""

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if isinstance(body, list) != self.wants_list:
            return web.Response(status=504, text="json: cannot unmarshal into Go value of type RetrievedPodData")
        uid = (body[0] if self.wants_list else body)["pod"]["metadata"]["uid"]
        self.created.append(uid)
        answer = {"PodUID": uid, "PodJID": f"{uid[:4]}_dind"}
        return web.json_response([answer] if self.wants_list else answer)

    async def status(self, request: web.Request) -> web.Response:
        asked = await request.json()
        uids = [pod["metadata"]["uid"] for pod in asked]
        if not asked:
            return web.Response(text="I am alive")
        self.asked.append(uids)
        if self.breaks_on & set(uids):
            return web.Response(status=500, text="slurm_load_jobs error: Invalid job id specified")
        return web.json_response([*self.cached, *(self._state(uid) for uid in uids if uid in self.created)])

    def _state(self, uid: str) -> dict[str, Any]:
        container = {"name": "c", "state": {"running": {"startedAt": None}}, "lastState": {}, "ready": True}
        containers = None if uid in self.empty else [container]
        return {"name": "hello", "UID": uid, "namespace": "climate", "JID": "", "containers": containers}

    async def delete(self, _: web.Request) -> web.Response:
        return web.Response(text="All containers for submitted Pods have been deleted")


@contextlib.asynccontextmanager
async def serving_old(path: Path) -> AsyncIterator[OldPlugin]:
    """An old plugin on a unix socket, until the block ends."""
    plugin = OldPlugin()
    app = web.Application()
    app.router.add_post("/create", plugin.create)
    app.router.add_post("/delete", plugin.delete)
    app.router.add_get("/status", plugin.status)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield plugin
    finally:
        await runner.cleanup()
        await asyncio.to_thread(path.unlink, missing_ok=True)
