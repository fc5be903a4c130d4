"""How a re-identification network learns: crops in groups, its losses, its scores."""
