"""Parts of recipes, one file a slot."""
