"""What lets more pass than the mode of the project does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .settings import SETTINGS, Settings
from .sources import project_settings
from .values import Mode, ShadowCheck

if TYPE_CHECKING:
    from alembic.config import Config

_IsLaxer = Callable[[Any, Any], bool]
_MODES = [*Mode]
_SHADOW_CHECKS = [*ShadowCheck]


def _is_off(value: bool, default: bool) -> bool:
    return default and not value


def _is_on(value: bool, default: bool) -> bool:
    return value and not default


def _is_higher(value: int | None, default: int | None) -> bool:
    return default is not None and (value is None or value > default)


_LAXER: dict[str, _IsLaxer] = {
    "max_risk": _is_higher,
    "allow_destructive": _is_on,
    "preflight": _is_off,
    "advisory_lock": _is_off,
    "require_transaction": _is_off,
    "max_rewrite_rows": _is_higher,
    "max_scan_rows": _is_higher,
    "max_lost_rows": _is_higher,
    "shadow_check": lambda value, default: (
        _SHADOW_CHECKS.index(value) < _SHADOW_CHECKS.index(default)
    ),
    "skip_shadow_check": _is_on,
}


def overrides(settings: Settings, config: Config | None) -> dict[str, object]:
    """Return the settings of gates that are laxer than the mode's own, with their values.

    A mode that is laxer than the one that the project's files name is among them.

    Raises `ConfigurationError` as `load_settings` does.
    """
    found: dict[str, object] = {}
    own = project_settings(config).mode
    if _MODES.index(settings.mode) < _MODES.index(own):
        found["mode"] = settings.mode.value
    for name, is_laxer in _LAXER.items():
        value = getattr(settings, name)
        if is_laxer(value, SETTINGS[name].default_in(settings.mode)):
            found[name] = getattr(value, "value", value)
    return found
