"""How good a trained translator is: its translations of held-out pictures, measured, shown and compared."""
