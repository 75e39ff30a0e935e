"""What an open dialog has been told, part by part (assets/js/sheet.js shows them)."""

from collections.abc import Mapping

from med42_chat.ui.follow import Change

INSIDE = "work:"  # how the names of parts begin that stand inside others


class Parts:
    """The HTML of each part as one page knows it."""

    def __init__(self) -> None:
        self._told: Mapping[str, str] = {}

    def news(self, parts: Mapping[str, str]) -> list[Change]:
        """The parts that are not as they were told; all of them at first."""
        before, self._told = self._told, parts
        news = [name for name, html in parts.items() if before.get(name) != html]
        if not all(name.startswith(INSIDE) for name in news):  # what stands inside was put there anew, and is empty
            news += [name for name in parts if name.startswith(INSIDE) and name not in news]
        return [("part", {"name": name, "html": parts[name]}) for name in news]
