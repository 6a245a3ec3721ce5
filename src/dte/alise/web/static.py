"""Files that pages show: the style, and an icon for each provider that the site has one for."""

from dte.alise.core import Core
from dte.runtime.errors import ConfigError
from dte.runtime.web.pages import StaticFiles, shared_files

MAX_ICON_BYTES = 256 << 10


def static_files(core: Core) -> StaticFiles:
    """Raises ConfigError for an icon that cannot be read or is too large."""
    files = shared_files()
    directory = core.settings.server.icons_directory
    for name in core.providers.by_name if directory is not None else ():
        assert directory is not None
        path = directory / f"{name}.svg"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError([f"server.icons_directory: cannot read {path}: {error.strerror}"]) from error
        if len(data) > MAX_ICON_BYTES:
            raise ConfigError([f"server.icons_directory: {path} is larger than {MAX_ICON_BYTES} bytes"])
        files[f"/static/{name}.svg"] = (data, "image/svg+xml")
    return StaticFiles(files)
