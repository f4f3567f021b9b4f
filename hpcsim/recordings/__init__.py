"""Recordings of real cells, and the tables of features that are made of them."""
