"""Settings for all networks of an experiment, of which each takes those that it knows."""

from __future__ import annotations

from collections.abc import Sequence

_UNKNOWN = ("unknown key", "expected a recipe with a mask branch")


class Overrides:
    """``key=value`` as typed, and who knew which of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._refused: dict[str, str] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def known_to(self, recipe: str) -> list[str]:
        """Those that a recipe has a key for; whether their values fit is not looked at.

        Args:
            recipe: Its name or file.
        """
        return [text for text in self._texts if self._is_known(text, recipe)]

    def require_all_known(self) -> None:
        """See that each was known to somebody who was asked.

        Raises:
            ValueError: One was not.
        """
        known = {text for (text, _), is_known in self._known.items() if is_known}
        for text, message in self._refused.items():
            if text not in known:
                raise ValueError(message)

    def _is_known(self, text: str, recipe: str) -> bool:
        from faimtrack.training.recipe import resolve_training_recipe

        if (text, recipe) not in self._known:
            message = ""
            try:
                resolve_training_recipe(recipe, overrides=[text])
            except ValueError as error:
                message = str(error)
            is_unknown = any(words in message for words in _UNKNOWN)
            self._known[text, recipe] = not is_unknown
            if is_unknown:
                self._refused[text] = message
        return self._known[text, recipe]
