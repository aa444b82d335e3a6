"""docs/configure.md is what the program's settings say."""

from __future__ import annotations

from pathlib import Path

from civitas.app import configure

PAGE = Path(__file__).parents[2] / "docs" / "configure.md"


def test_the_page_lists_every_setting_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == configure.page(), "write it anew: civitas admin configure-page"


def test_every_setting_says_what_it_means() -> None:
    silent = [setting.path for setting in configure.settings() if len(setting.meaning) < 10]
    assert silent == []
