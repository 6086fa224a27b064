"""Numbers that say how good translations are, each with how far it can be trusted."""
