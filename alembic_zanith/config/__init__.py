"""Settings: what a project has configured, and where that is read from."""

from .context import settings_of, workspace
from .settings import DEFAULT_RETENTION_DAYS, SETTINGS, Setting, Settings
from .sources import load_settings
from .values import (
    DestructiveOps,
    DetectRenames,
    DropStrategy,
    Mode,
    PlanSource,
    ShadowCheck,
    ShadowTopology,
    StrategyOverride,
    UnknownTables,
    parse_retention_days,
)

__all__ = [
    "DEFAULT_RETENTION_DAYS",
    "SETTINGS",
    "DestructiveOps",
    "DetectRenames",
    "DropStrategy",
    "Mode",
    "PlanSource",
    "Setting",
    "Settings",
    "ShadowCheck",
    "ShadowTopology",
    "StrategyOverride",
    "UnknownTables",
    "load_settings",
    "parse_retention_days",
    "settings_of",
    "workspace",
]
