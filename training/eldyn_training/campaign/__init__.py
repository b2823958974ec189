"""Campaigns: many independent AIMD trajectories, run on Parsl, as one set with a manifest."""

from __future__ import annotations

from eldyn_training.campaign.manifest import Manifest, TrajectoryRecord, read_manifest

__all__ = ["Manifest", "TrajectoryRecord", "read_manifest"]
