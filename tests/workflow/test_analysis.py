"""What is looked at before a sweep whose inference comes last."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.errors import PluginError
from hpcsim.inference.method import Method


def test_a_method_that_is_not_installed_is_told_before_anything_is_simulated(tmp_path, monkeypatch):
    study = hpcsim.Study(
        "s", "toys:noop", space={"a": [1.0, 2.0, 3.0]}, inference=[{"use": "inference.npe", "of": ["y"], "observations": "o.csv"}]
    )
    monkeypatch.setattr(Method, "installed", property(lambda self: False))
    with pytest.raises(PluginError, match=r'the inference method "inference.npe" needs sbi.*hpcsim\[sbi\]'):
        study.run(on="inline", directory=tmp_path / "s")
    assert not (tmp_path / "s" / "results.h5").exists()
