"""Pixels: images fetched, decoded and measured."""
