"""Probes: from transmembrane currents to extracellular signals."""
