"""The `jobConfig` that goes to plugins with every create: upstream's JobScriptBuildConfig in its JSON spelling."""

from typing import Any

from pydantic import Field, SecretStr

from dte.runtime.settings import Settings


class SingularityHubSettings(Settings):
    """A proxy cache of container images."""

    server: str = ""
    master_token: SecretStr = SecretStr("")
    cache_validity_seconds: int = Field(default=0, ge=0)


class ApptainerSettings(Settings):
    """How a plugin calls Apptainer."""

    executable: str = ""
    fakeroot: bool = False
    containall: bool = False
    fuse_mode: str = ""
    no_init: bool = False
    no_home: bool = False
    no_privs: bool = False
    nvidia_support: bool = False
    cleanenv: bool = False
    unsquash: bool = False


class VolumesSettings(Settings):
    """Where jobs keep scratch files and images."""

    scratch_area: str = ""
    apptainer_cachedir: str = ""
    image_dir: str = ""
    additional_directories_in_path: list[str] | None = None
    fuse_sleep_seconds: int = Field(default=0, ge=0)


class JobScriptBuildSettings(Settings):
    """Upstream's key JobScriptBuildConfig, in upstream's YAML spelling."""

    singularity_hub: SingularityHubSettings = SingularityHubSettings()
    apptainer_options: ApptainerSettings = ApptainerSettings()
    volumes_options: VolumesSettings = VolumesSettings()


def job_config(settings: JobScriptBuildSettings) -> dict[str, Any]:
    """Always complete: a key that is not set has its zero value, as plugins in Go expect."""
    hub, apptainer = settings.singularity_hub, settings.apptainer_options
    return {
        "SingularityHubProxy": {
            "server": hub.server,
            "master_token": hub.master_token.get_secret_value(),
            "cache_validity_seconds": hub.cache_validity_seconds,
        },
        "ApptainerOptions": {
            "executable": apptainer.executable,
            "fakeroot": apptainer.fakeroot,
            "containall": apptainer.containall,
            "fuseMode": apptainer.fuse_mode,
            "noInit": apptainer.no_init,
            "noHome": apptainer.no_home,
            "noPrivs": apptainer.no_privs,
            "nvidiaSupport": apptainer.nvidia_support,
            "cleanenv": apptainer.cleanenv,
            "unsquash": apptainer.unsquash,
        },
        "Volumes": settings.volumes_options.model_dump(),
    }
