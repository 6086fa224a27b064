"""Trainings of the quality table, how they are measured, and the table."""
