"""The Slurm sidecar's part of `dte doctor`: what an account's jobs need on the edge host."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Final

from dte.interlink.pods import Pod
from dte.runtime.accounts import Account, account_named
from dte.runtime.address import UnixAddress
from dte.runtime.commands import Completed, run_command
from dte.runtime.doctor import clock, listeners, places, units
from dte.runtime.doctor.checks import CannotCheck, Check, Component, Subject
from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import BadOutput, NotFound, Refused, Unavailable
from dte.runtime.files import read_regular
from dte.runtime.mounts import MOUNTINFO, type_in
from dte.runtime.process_identity import start_time, this_process

from .commands import ProgramCall
from .diagnosis import judge_drains, judge_job_age, judge_munge, judge_owner, judge_submit, judge_versions, parse_config
from .drain import MAX_DRAIN_BYTES, parse_drains
from .options import FLAVOR_ANNOTATION, place, sbatch_options
from .owner import OWNER_FILE, decode_owner
from .settings import SlurmSettings

NAME: Final = "interlink-slurm"
MUNGE_LIMIT_S: Final = 10.0
LESS_KEPT: Final = "free space, or keep finished jobs for less long (RetentionDays)"
IN_MEMORY: Final = frozenset({"ramfs", "tmpfs"})

SlurmSubject = Subject[SlurmSettings]


async def account(subject: SlurmSubject) -> list[Finding]:
    """The local account that the instance is named for."""
    try:
        found = await _account(subject)
    except NotFound as error:
        return [critical(str(error), "make it, or see whether the site's name service answers (getent passwd)")]
    if found.uid == 0:
        return [critical("jobs would run as root", "name the instance after an ordinary account")]
    return [ok(f"account {found.name} (uid {found.uid})")]


async def unit(subject: SlurmSubject) -> list[Finding]:
    """Service, and socket where there is one."""
    name = f"{NAME}@{subject.name}"
    return await units.judged_units([f"{name}.service", f"{name}.socket"])


async def ready(subject: SlurmSubject) -> list[Finding]:
    return await listeners.ready(subject.settings.admin, f"{NAME}@{subject.name}")


async def answers(subject: SlurmSubject) -> list[Finding]:
    """A ping at the socket, as the interLink API sends it."""
    address = subject.settings.address
    if isinstance(address, UnixAddress) and (problem := listeners.socket_problem(address.path)):
        return [problem]
    try:
        answer = await listeners.ask(address, "/status", body=b"[]")
    except PermissionError as error:
        raise CannotCheck(f"{address} answers root and the interLink API alone") from error
    except Unavailable as error:
        advice = f"journalctl -u {NAME}@{subject.name} says why"
        return [critical(f"{address} does not answer a ping: {error}", advice)]
    if answer.status != 200:
        return [critical(f"ping at {address}: {answer.words}", "mend what it names")]
    return [ok(f"{address} answers a ping")]


async def munge(subject: SlurmSubject) -> list[Finding]:
    """A credential made and read again, as each of Slurm's commands needs it."""
    if _call(subject, "sbatch").is_remote:
        return [ok("Slurm's commands run on another host")]
    if shutil.which("munge") is None:
        config = parse_config((await _slurm(subject, "scontrol", "show", "config")).stdout.decode(errors="replace"))
        kind = config.get("AuthType", "")
        if kind and kind != "auth/munge":
            return [ok(f"this cluster authenticates by {kind}")]
        return [critical("there is no command munge", "install munge with the cluster's key")]
    encoded = await run_command(["munge", "-n"], timeout_s=MUNGE_LIMIT_S)
    if encoded.status != 0:
        return [judge_munge(encoded, None)]
    return [judge_munge(encoded, await run_command(["unmunge"], timeout_s=MUNGE_LIMIT_S, stdin=encoded.stdout))]


async def controller(subject: SlurmSubject) -> list[Finding]:
    """The controller's version beside that of the commands, and how long it keeps finished jobs."""
    shown = await _slurm(subject, "scontrol", "show", "config")
    if shown.status != 0:
        return [critical(f"slurmctld does not answer: {shown.error_text}", "see whether it runs and is reachable")]
    config = parse_config(shown.stdout.decode(errors="replace"))
    version = await _slurm(subject, "sbatch", "--version")
    age = judge_job_age(config, subject.settings.poll_interval_s)
    return [judge_versions(version.stdout.decode(errors="replace"), config), *([age] if age else [])]


async def submit(subject: SlurmSubject) -> list[Finding]:
    """`sbatch --test-only` as the account, for each flavor: the site's job_submit plugin has its say, nothing runs."""
    findings = []
    for flavor in sorted(subject.settings.flavors) or [""]:
        pod = _pod_of(subject.settings, flavor)
        if pod is None:
            text = f"no virtual node reaches the partition of flavor {flavor}"
            findings.append(warning(text, "add the partition to a node in Nodes, or drop the flavor"))
            continue
        options = sbatch_options(subject.settings, pod, place(subject.settings, pod)).arguments
        tested = await _slurm(subject, "sbatch", "--test-only", "--chdir=/", *options, "--wrap=true")
        findings.append(judge_submit(flavor, tested))
    return findings


async def job_root(subject: SlurmSubject) -> list[Finding]:
    """The job root as the account meets it, its file system and that one's clock."""
    root, holder = subject.settings.data_root_folder, await _account(subject)
    try:
        facts = await places.look_at_directory(root, holder)
    except Unavailable as error:
        advice = "look at the mount and its server; running jobs go on, creates are refused until it answers"
        return [critical(f"{root} does not answer: {error}", advice)]
    findings = places.judge_directory(root, facts, holder, relief=LESS_KEPT) + places.judge_server_clock(root, facts)
    # Without a look at the path itself: that one could hang.
    kind = type_in(MOUNTINFO.read_text(errors="replace"), root)
    if kind in IN_MEMORY:
        findings.append(warning(f"{root} is in memory ({kind}): a reboot loses all jobs", "use a shared disk"))
    else:
        findings.append(ok(f"{root} is on {kind or 'an unknown file system'}"))
    return findings


async def owner(subject: SlurmSubject) -> list[Finding]:
    """Who holds the job root: this sidecar, and nobody else."""
    service = f"{NAME}@{subject.name}.service"
    facts = await places.look_at_directory(subject.settings.data_root_folder, await _account(subject), file=OWNER_FILE)
    if facts.error:
        raise Unavailable(f"{subject.settings.data_root_folder}: {facts.error}")
    pid = units.main_pid((await units.look_at_units([service])).get(service))
    held = decode_owner(facts.content.encode()) if facts.content is not None else None
    started = start_time(held.pid) if held is not None else None
    return [judge_owner(facts.content, held, this_process(), started, pid)]


async def drain(subject: SlurmSubject) -> list[Finding]:
    """The site's own drain file."""
    path = subject.settings.drain_file
    try:
        drains = parse_drains(await asyncio.to_thread(read_regular, path, MAX_DRAIN_BYTES))
    except FileNotFoundError:
        return [ok("no drain file: new jobs are taken")]
    except BadOutput as error:
        text = f"{path} cannot be read, so no new jobs are taken: {error}"
        return [critical(text, "correct it, let everybody read it, or remove it")]
    return judge_drains(drains, datetime.now(UTC), subject.name)


async def kept_clock(_: SlurmSubject) -> list[Finding]:
    return await clock.clock_kept()


CHECKS: Final = (
    Check("account", NAME, account),
    Check("unit", NAME, unit),
    Check("ready", NAME, ready),
    Check("socket", NAME, answers),
    Check("munge", NAME, munge),
    Check("controller", NAME, controller),
    Check("submit", NAME, submit),
    Check("job root", NAME, job_root),
    Check("owner file", NAME, owner),
    Check("drain", NAME, drain),
    Check("clock", NAME, kept_clock),
)
COMPONENT: Final = Component(NAME, SlurmSettings, CHECKS)


async def _account(subject: SlurmSubject) -> Account:
    return await asyncio.to_thread(account_named, subject.name)


def _call(subject: SlurmSubject, program: str) -> ProgramCall:
    """A program of Slurm's; one without a setting of its own lies beside sbatch."""
    words = tuple(shlex.split(subject.settings.sbatch_path))
    if program == "sbatch":
        return ProgramCall(program, words)
    last = PurePath(words[-1])
    return ProgramCall(program, (*words[:-1], str(last.with_name(program))))


async def _slurm(subject: SlurmSubject, program: str, *arguments: str) -> Completed:
    holder = await _account(subject)
    if not holder.can_be_taken_on:
        raise CannotCheck(f"Slurm is asked as account {holder.name}")
    argv = _call(subject, program).argv(arguments, {})
    return await run_command(argv, timeout_s=subject.settings.submit_timeout_s, account=holder)


def _pod_of(settings: SlurmSettings, flavor: str) -> Pod | None:
    """A pod of the flavor on a virtual node that has it; None when none has."""
    annotations = {FLAVOR_ANNOTATION: flavor} if flavor else {}
    for node in sorted(settings.nodes) or [""]:
        pod = {"metadata": {"annotations": annotations}, "spec": {"nodeName": node, "containers": []}}
        try:
            place(settings, pod)
        except Refused:
            continue
        return pod
    return None
