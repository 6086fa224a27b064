"""Trained models: bundles, and pictures through them."""
