"""Every setting with its name, default and meaning: the source of docs/configure.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from civitas.infra.settings import Settings

INTRO = """# Configure

Civitas runs without any configuration. What you set, you set in one of two ways, and the first wins:

1. environment variables, such as `CIVITAS_SITE__PORT=9000` (two underscores between section and name);
2. `civitas.toml` in the working folder, or in the data folder, or the file that `CIVITAS_CONFIG` names:

```toml
[site]
port = 9000
```

`DATABASE_URL` and `PORT` count too when ours are not given. `civitas doctor` reads the settings and says in plain
words what is wrong with them. This page is written from the program's own settings; a test holds them together.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `section.name`, its environment variable, its default as TOML would have it, its meaning."""

    path: str
    variable: str
    default: str
    meaning: str


def settings(model: type[BaseModel] = Settings, prefix: tuple[str, ...] = ()) -> Iterator[Setting]:
    """All settings in the order in which they are declared, sections after plain values."""
    sections: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            sections.append((name, inner))
            continue
        path = (*prefix, name)
        yield Setting(
            ".".join(path),
            "CIVITAS_" + "__".join(part.upper() for part in path),
            _default(name, field),
            field.description or "",
        )
    for name, inner in sections:
        yield from settings(inner, (*prefix, name))


def page() -> str:
    """docs/configure.md."""
    lines = [INTRO]
    for head, group in groupby(settings(), key=lambda setting: setting.path.rpartition(".")[0]):
        title = f"## [{head}]" if head else "## Top level"
        lines += [title, "", "| name | variable | default | meaning |", "| --- | --- | --- | --- |"]
        for setting in group:
            name, meaning = setting.path.rpartition(".")[2], setting.meaning.replace("|", "\\|")
            lines.append(f"| `{name}` | `{setting.variable}` | {setting.default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _default(name: str, field: FieldInfo) -> str:
    if name == "home":
        return "`~/.civitas`; for root `/var/lib/civitas`"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value == "" or value == [] or value == {}:
        return "empty"
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, tuple | list | set | frozenset):
        return "`" + ", ".join(str(item) for item in value) + "`"
    if isinstance(value, Path):
        return f"`{value}`"
    return f"`{value}`"


def write(folder: Path) -> None:
    """Write docs/configure.md below the project's folder."""
    (folder / "docs" / "configure.md").write_text(page(), encoding="utf-8")
