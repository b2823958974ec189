"""The model card: what a model file says of itself, in sections for people.

Models of other origin or of earlier versions show what they have; nothing recorded is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from napari_eldyn.density import LogNormalisation, PeriodicGrid
from napari_eldyn.emulator.config import BLOCK, EmulatorConfig, SpatialConfig
from napari_eldyn.emulator.networks import EmulatorNetworks, latent_shape

__all__ = ["CardSection", "model_card"]

Line = tuple[str, str]


@dataclass(frozen=True)
class CardSection:
    """Lines of a card that belong together.

    Attributes
    ----------
    title : str
        Heading.
    lines : tuple of (str, str)
        Name and text.
    """

    title: str
    lines: tuple[Line, ...]


class _Model(Protocol):
    """What a card is made from: a checkpoint, or an emulator."""

    @property
    def config(self) -> EmulatorConfig: ...
    @property
    def normalisation(self) -> LogNormalisation: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    @property
    def networks(self) -> EmulatorNetworks: ...
    @property
    def sha256(self) -> str | None: ...


def model_card(model: _Model) -> list[CardSection]:
    """Describe a model.

    Parameters
    ----------
    model : Emulator or Checkpoint
        The model.

    Returns
    -------
    list of CardSection
        Model, scores, training, data, architecture and recipe; what else its file records comes
        last. Lengths in Å, times in fs.
    """
    record = dict(model.provenance)
    sections = [
        ("Model", list(_model_lines(model))),
        ("Scores", list(_score_lines(record))),
        ("Training", list(_training_lines(record))),
        ("Data", [*_normalisation_lines(model.normalisation), *_data_lines(_take(record, "data"))]),
        ("Architecture", list(_architecture_lines(model))),
        ("Recipe", list(_recipe_lines(record, model.config))),
        ("Also recorded", list(_flat(record))),
    ]
    if not model.provenance:
        sections.append(("Provenance", [("origin", "none recorded")]))
    return [CardSection(title, tuple(lines)) for title, lines in sections if lines]


def _model_lines(model: _Model) -> Iterator[Line]:
    config = model.config
    yield "family", config.family
    yield "grid", f"{' × '.join(map(str, config.grid_shape))} points"
    edge = config.cell[0][0]
    if config.cell == ((edge, 0.0, 0.0), (0.0, edge, 0.0), (0.0, 0.0, edge)):
        yield "cell", f"cube of {edge:.5g} Å"
    else:
        for name, vector in zip("abc", config.cell, strict=True):
            yield f"cell {name}", "  ".join(f"{length:.5g}" for length in vector) + " Å"
    yield from _latent_lines(config)
    yield "sampling", _sampling(model.networks)
    yield "time step Δτ", f"{config.timestep_fs:g} fs"
    yield "density", config.density_kind
    yield "sha256", model.sha256 or "not saved yet"


def _latent_lines(config: EmulatorConfig) -> Iterator[Line]:
    shape = latent_shape(config, config.grid_shape)
    if config.family == "spatial":
        channels, frames = config.autoencoder.latent_channels, config.denoiser.context_frames
        numbers = prod(shape) // frames
        cells = " × ".join(map(str, shape[1:]))
        yield "latent", f"{cells} cells of {BLOCK}³ points, {channels} channels in each"
        yield "state", "one frame" if frames == 1 else f"the newest {frames} frames"
    else:
        numbers = prod(shape)
        yield "latent", f"{numbers} numbers for the whole frame, no places"
    values = 2 * prod(config.grid_shape)
    yield "compression", f"{values / numbers:.4g} × ({values:,} values of the state to {numbers:,})"
    if config.family == "spatial":
        yield "receptive field", _receptive_field(config)
        yield "other cells", f"any with these distances of points, in multiples of {BLOCK} points"


def _receptive_field(config: SpatialConfig) -> str:
    """Edge of the region that one number at the end depends on, by network."""
    autoencoder = config.autoencoder
    cells = {
        "encoder": 1 + 2 * autoencoder.encoder_blocks,
        # Convolutions at half resolution reach half a cell each.
        "decoder": 1 + 2 * autoencoder.decoder_blocks + (autoencoder.fine_blocks + 1),
        "denoiser": 1 + 2 * config.denoiser.blocks,
    }
    voxels = PeriodicGrid(config.cell, config.grid_shape).voxel_vectors
    edges = [BLOCK * float(length) for length in np.linalg.norm(voxels, axis=1)]
    return ", ".join(
        f"{part} {n} cells ("
        + " × ".join(dict.fromkeys(f"{n * edge:.3g}" for edge in edges))
        + " Å)"
        for part, n in cells.items()
    )


def _sampling(networks: EmulatorNetworks) -> str:
    usual = networks.default_sampler
    others = [name for name in networks.samplers if name != usual]
    counts = {name: networks.default_evaluations(name) for name in (usual, *others)}
    rest = ", ".join(f"{name} {counts[name]}" for name in others)
    return f"{usual}, {counts[usual]} evaluations per frame; or {rest}"


def _architecture_lines(model: _Model) -> Iterator[Line]:
    config = model.config
    encoder, decoder, denoiser = (
        sum(weight.numel() for weight in getattr(model.networks, part).parameters())
        for part in ("encoder", "decoder", "denoiser")
    )
    yield "parameters", f"encoder {encoder:,}, decoder {decoder:,}, denoiser {denoiser:,}"
    noise = "schedule" if config.family == "pooled" else "diffusion"
    for part in ("autoencoder", "denoiser", noise):
        yield part, _in_a_row(getattr(config, part).model_dump(mode="json"))


def _normalisation_lines(normalisation: LogNormalisation) -> Iterator[Line]:
    yield (
        "normalisation",
        f"ln ρ: mean {normalisation.mean:.5g}, spread {normalisation.std:.5g} "
        f"(ρ in electrons/Å³); floor {normalisation.floor:g} electrons/Å³; "
        f"{normalisation.n_frames} frames",
    )
    rate = normalisation.rate_std
    yield "rate", f"spread {rate:.5g} 1/fs" if rate is not None else "not fitted"


def _data_lines(data: dict[str, Any]) -> Iterator[Line]:
    if isinstance(moments := data.pop("normalisation", None), dict):
        yield (
            "values",
            f"{moments.get('minimum', float('nan')):.4g} to "
            f"{moments.get('maximum', float('nan')):.4g} electrons/Å³; ln ρ: skew "
            f"{moments.get('skew', float('nan')):.3g}, excess kurtosis "
            f"{moments.get('excess_kurtosis', float('nan')):.3g}; {moments.get('n_clipped', 0)} "
            f"of {moments.get('n_values', 0)} clipped",
        )
    if "sha256" in data:
        yield "fingerprint", str(data.pop("sha256"))
    yield from _flat(data)


_SCORES = {
    "loss": "objective",
    "mse": "reconstruction MSE, density and rate",
    "mse_density": "reconstruction MSE of the density",
    "mse_rate": "reconstruction MSE of the rate",
    "sjsd": "reconstruction sJSD",
    "jsd": "reconstruction JSD [nats]",
    "denoising": "denoising loss",
    "noise_mse": "denoising: MSE of the noise",
    "step_mse": "one step: squared error / that of persistence",
    "rollout_sjsd": "rollout sJSD",
    "rollout_structure_factor": "rollout S(q), total error",
    "rollout_step_ratio": "rollout step size, generated / real",
    "reference_sjsd": "  two halves of the reference: sJSD",
    "reference_structure_factor": "  two halves of the reference: S(q)",
}
"""Scores by their names in files, in the order shown."""


def _score_lines(record: dict[str, Any]) -> Iterator[Line]:
    columns = {
        "training states": _take(record, "scores_on_training_states"),
        "validation states": _take(record, "scores_on_validation_states"),
    }
    columns = {title: scores for title, scores in columns.items() if scores}
    names = [name for name in _SCORES if any(name in scores for scores in columns.values())]
    names += sorted({name for scores in columns.values() for name in scores} - _SCORES.keys())
    for name in names:
        parts = [
            f"{_number(scores[name])} ({title})"
            for title, scores in columns.items()
            if name in scores
        ]
        yield _SCORES.get(name, name), "   ".join(parts)
    losses = _take(record, "losses")
    for name, title in (("training", "last losses"), ("validation", "last validation")):
        for stage, values in _take(losses, name).items():
            yield f"{title}, {stage}", _in_a_row(values)
    for stage, values in _take(losses, "history").items():
        yield from _history_lines(stage, values)
    yield from _flat(losses)


def _history_lines(stage: str, values: Mapping[str, Any]) -> Iterator[Line]:
    """Show a loss history as its value at a few steps."""
    steps = values.get("step", [])
    chosen = sorted({round(k * (len(steps) - 1) / 5) for k in range(6)}) if steps else []
    for name, series in values.items():
        if name != "step":
            points = [f"{_number(series[k])} (step {steps[k]})" for k in chosen]
            yield f"{name}, {stage}", " → ".join(points)


def _training_lines(record: dict[str, Any]) -> Iterator[Line]:
    for key, title in (("made_by", "made by"), ("created", "created")):
        if key in record:
            yield title, str(record.pop(key))
    training = _take(record, "training")
    if isinstance(stages := training.pop("stages", None), list):
        for stage in stages:
            early = f", ended early: {stage['ended_early']}" if stage.get("ended_early") else ""
            yield f"stage {stage['name']}", f"{stage['steps']} steps, {stage['weights']}{early}"
    if (hours := training.pop("hours", None)) is not None:
        yield "hours", f"{hours:.3g}"
    yield from _flat(training)
    if versions := _take(record, "versions"):
        yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def _recipe_lines(record: dict[str, Any], config: EmulatorConfig) -> Iterator[Line]:
    """Show the recipe, but for the networks where the architecture says the same."""
    if name := record.pop("recipe_name", None):
        yield "name", str(name)
    plain = {}
    built = config.model_dump(mode="json")
    for section, values in _take(record, "recipe").items():
        if isinstance(values, Mapping):
            if section == "model":
                values = {key: x for key, x in values.items() if built.get(key) != x}
            if not values:
                continue
            yield section, _in_a_row(values)
        else:
            plain[section] = values
    yield from _flat(plain)


def _take(record: dict[str, Any], key: str) -> dict[str, Any]:
    """Remove and return a mapping; anything else stays where it is."""
    return dict(record.pop(key)) if isinstance(record.get(key), Mapping) else {}


def _in_a_row(values: Mapping[str, Any], prefix: str = "") -> str:
    """Write a mapping as ``name value, name value``."""
    return ", ".join(f"{name} {text}" for name, text in _flat(values, prefix))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[Line]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name} · ")
        elif isinstance(value, list) and value and all(isinstance(x, Mapping) for x in value):
            for index, item in enumerate(value):
                yield from _flat(item, f"{name} {index + 1} · ")
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _number(value)
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and len(text) > 80:
        return f"{json.dumps(value[:3], ensure_ascii=False)[:-1]}, … {len(value)} in all]"
    return {"null": "none", "true": "yes", "false": "no"}.get(text, text)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _text(value)
