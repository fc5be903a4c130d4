"""Recipes: which tracker, detector and split, with every setting, from YAML and overrides."""

from faimtrack.recipes.recipe import Recipe, resolve_recipe
from faimtrack.recipes.yaml_files import read_recipe_tree, recipe_names

__all__ = ["Recipe", "read_recipe_tree", "recipe_names", "resolve_recipe"]
