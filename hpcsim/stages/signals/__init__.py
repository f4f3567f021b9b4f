"""Stages that predict what electrodes and sensors measure."""
