"""A pod with all that it refers to, as one create request: fetch first, then resolve without I/O."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dte.interlink import pods
from dte.interlink.virtual_kubelet.downward import Place
from dte.interlink.virtual_kubelet.env import Context, environment, with_plain_environment
from dte.interlink.virtual_kubelet.notes import Note, NotYet
from dte.interlink.virtual_kubelet.ports import ObjectSource
from dte.interlink.virtual_kubelet.projected import Material, Tokens, projected_files, to_wire, token_wishes
from dte.interlink.virtual_kubelet.service_env import service_environment
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.virtual_kubelet.sources import Sources, references
from dte.interlink.virtual_kubelet.volumes import volume_objects
from dte.interlink.wire import CreateRequest
from dte.runtime.errors import NotFound

UNSERVED_ANNOTATIONS = (
    "interlink.eu/disable-offload-containers",
    "interlink.eu/disable-offload-init-containers",
    "interlink.eu/pod-subnet",
    "interlink.eu/pod-vpn",
    "interlink.eu/shadow-same-ns",
    "interlink.eu/wstunnel-extra-ports",
)
"""Upstream's switches for tunnels and shadow pods, which this node does not have: named in an event."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that can be sent, and what the pod's author should hear."""

    request: CreateRequest
    notes: tuple[Note, ...]


async def prepare(pod: pods.Pod, source: ObjectSource, settings: VirtualKubeletSettings, place: Place) -> Prepared:
    """Raises NotYet while something mandatory is missing, Refused for a pod that this node can never run."""
    wanted = sorted(references(pod))
    found = await asyncio.gather(*(source.get_object(item, pods.namespace(pod)) for item in wanted))
    sources = dict(zip(wanted, found, strict=True))
    # Resolved before any token is issued: a pod that waits for a Secret must not collect tokens meanwhile.
    resolve(pod, sources, dict.fromkeys(token_wishes(pod), ""), settings, place)
    tokens = {} if settings.disable_projected_volumes else await _tokens(pod, source)
    return resolve(pod, sources, tokens, settings, place)


async def _tokens(pod: pods.Pod, source: ObjectSource) -> Tokens:
    wishes = token_wishes(pod)
    try:
        tokens = await asyncio.gather(*(source.request_token(pod, wish) for wish in wishes))
    except NotFound as error:
        words = f"no token for service account {pods.service_account(pod)!r}: {error}; the pod waits until it exists"
        raise NotYet(Note("ServiceAccountNotFound", words)) from error
    return dict(zip(wishes, tokens, strict=True))


def resolve(
    pod: pods.Pod, sources: Sources, tokens: Tokens, settings: VirtualKubeletSettings, place: Place
) -> Prepared:
    """The request for `pod` when the cluster holds `sources` and issued `tokens`. Raises as `prepare` does."""
    service = service_environment(settings.kubernetes_api_address, settings.kubernetes_api_port)
    context = Context(pod, sources, place, service)
    resolved, notes = _with_plain_environments(pod, context)
    volumes = volume_objects(pod, sources)
    material = Material(context, tokens, settings.kubernetes_api_ca)
    files = () if settings.disable_projected_volumes else projected_files(pod, material)
    request = CreateRequest(
        pod=resolved,
        config_maps=volumes.config_maps,
        secrets=volumes.secrets,
        projected=tuple(to_wire(item) for item in files),
        job_script_url=settings.job_script_builder_url,
    )
    file_notes = [note for item in files for note in item.notes]
    return Prepared(request, (*notes, *volumes.notes, *file_notes, *_unserved(pod)))


def _with_plain_environments(pod: pods.Pod, context: Context) -> tuple[pods.Pod, Sequence[Note]]:
    notes: list[Note] = []
    spec = dict(pods.spec(pod))
    for key in ("initContainers", "containers"):
        if not spec.get(key):
            continue
        plain = []
        for container in spec[key]:
            resolved = environment(container, context)
            notes.extend(resolved.notes)
            plain.append(with_plain_environment(container, resolved))
        spec[key] = plain
    return {**pod, "spec": spec}, notes


def _unserved(pod: pods.Pod) -> Sequence[Note]:
    present = [name for name in UNSERVED_ANNOTATIONS if name in pods.annotations(pod)]
    if not present:
        return ()
    return (Note("FieldIgnored", f"annotations without effect on this node: {', '.join(present)}"),)
