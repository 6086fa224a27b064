"""How much faster or smaller a change makes us: two or more checkouts in turn."""
