"""From finished points to one results file: shards, the collector, and reading what it made."""

from __future__ import annotations

from hpcsim.collector.collect import CollectReport, collect
from hpcsim.collector.format.ragged import Ragged
from hpcsim.collector.format.schema import CRASHED, FAILED, OK, STATUSES, TIMEOUT, Schema, blank_rows
from hpcsim.collector.format.table import Table, finished
from hpcsim.collector.intake import SetAside
from hpcsim.collector.results import Results, open_results
from hpcsim.collector.shard import ShardInfo, ShardWriter, merge, shard_files, verify

__all__ = [
    "CRASHED",
    "FAILED",
    "OK",
    "STATUSES",
    "TIMEOUT",
    "CollectReport",
    "Ragged",
    "Results",
    "Schema",
    "SetAside",
    "ShardInfo",
    "ShardWriter",
    "Table",
    "blank_rows",
    "collect",
    "finished",
    "merge",
    "open_results",
    "shard_files",
    "verify",
]
