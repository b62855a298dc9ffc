"""Pruning: what a trained network can do without, and the child that inherits the rest."""
