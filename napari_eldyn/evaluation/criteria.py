"""Criteria of the targets of a spatial emulator: numbers reached beside numbers asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from napari_eldyn.evaluation.criterion import Criterion, at_most, below, missing

__all__ = [
    "dynamics",
    "forecast",
    "long_rollout",
    "memorisation",
    "reconstruction",
    "transfer",
]

Metrics = Mapping[str, Any]

FRAMES = 10_000
_SAMPLERS, _EVALUATIONS = ("heun", "dpmpp_2m"), 8
_NMAE, _COMPRESSION = 2.0, 64.0
# Largest error over the data's own noise, of sJSD and of S(q).
_NOISE = 2.0
_SPREAD_SKILL = (0.8, 1.25)
_LEADS_FS = (4.0, 100.0)
_ELECTRONS = 0.5
# Largest deviation of relaxation times, and in another cell of the step size.
_TIMES = 0.2
_CHANCE = 0.05
_HALVES = "noise: half of the reference against the other"


def reconstruction(rollout: Metrics, metrics: Metrics) -> Iterator[Criterion]:
    """Target 1: encode → decode, of frames as they lie, shifted and rotated."""
    if "model" not in rollout:
        yield missing(1, "NMAE of ρ", "no --model")
        return
    alone = rollout["model"]["reconstruction"]
    noise = metrics["levels"]["noise"]["sjsd"]
    variants = {"": alone, "shifted": alone["moved"]["shifted"]}
    variants["rotated"] = alone["moved"]["rotated"]
    for variant, scores in variants.items():
        of = f", {variant}" if variant else ""
        yield below(1, f"NMAE of ρ{of}", scores["nmae"], _NMAE, "%")
        over = scores["sjsd"] / noise if noise else None
        yield at_most(1, f"sJSD over noise{of}", over, _NOISE, note=_HALVES)
    compression = alone["compression"]
    yield Criterion(
        1,
        "compression",
        compression,
        "",
        f"≥ {_COMPRESSION:g}",
        compression >= _COMPRESSION,
        f"{alone['state_numbers']} numbers to {alone['latent_numbers']}",
    )


def forecast(rollout: Metrics) -> Iterator[Criterion]:
    """Target 2: ensembles against simple forecasts, at every lead time."""
    ensemble = rollout.get("ensemble")
    if ensemble is None or not ensemble["available"]:
        yield missing(2, "CRPS", "no --model" if ensemble is None else ensemble["reason"])
        return
    lead = ensemble["lead"]
    whole = lead[0] <= _LEADS_FS[0] + 1e-6 and lead[-1] + lead[0] > _LEADS_FS[1]
    span = f"{_LEADS_FS[0]:g} to {_LEADS_FS[1]:g}"
    at = f"{len(lead)} of them from {lead[0]:g} fs on"
    yield Criterion(2, "longest lead time judged", lead[-1], "fs", span, whole or None, at)
    for name in ("persistence", "latent autoregression"):
        base = ensemble["baselines"].get(name)
        if base is None:
            yield missing(2, f"CRPS over that of {name}", "no --training in this cell")
            continue
        yield _crps(f"CRPS over that of {name}, largest", ensemble, base, lead, asked=True)
    yield from _spread(ensemble["ratio"], lead, "", asked=True)
    other = ensemble["against_reconstruction"]
    against = "against the reconstruction"
    for name in ("persistence", "latent autoregression"):
        if name in other:
            what = f"CRPS over that of {name}, largest, {against}"
            yield _crps(what, other["model"], other[name], lead, asked=False)
    yield from _spread(other["model"]["ratio"], lead, f", {against}", asked=False)


def _crps(
    name: str, model: Metrics, base: Metrics, lead: Sequence[float], *, asked: bool
) -> Criterion:
    pairs = zip(model["crps"], base["crps"], strict=True)
    ratios = {i: ours / theirs for i, (ours, theirs) in enumerate(pairs) if theirs}
    if not ratios:
        return missing(2, name, "the reference does not move")
    worst = max(ratios, key=ratios.__getitem__)
    gain, error = base["gain_of_model"][worst], base["gain_error"]
    unsure = "" if error is None else f" ± {error[worst]:.2g}"
    note = f"at {lead[worst]:g} fs, {'lower' if gain >= 0 else 'higher'} by {abs(gain):.3g}{unsure}"
    if not asked:
        return Criterion(2, name, ratios[worst], note=note)
    return below(2, name, ratios[worst], 1.0, note=note)


def _spread(
    ratios: Sequence[float], lead: Sequence[float], of: str, *, asked: bool
) -> Iterator[Criterion]:
    low = min(range(len(ratios)), key=ratios.__getitem__)
    high = max(range(len(ratios)), key=ratios.__getitem__)
    least, most = _SPREAD_SKILL
    for name, i, bound, met in (
        ("smallest", low, f"≥ {least:g}", ratios[low] >= least),
        ("largest", high, f"≤ {most:g}", ratios[high] <= most),
    ):
        what, note = f"spread/skill, {name}{of}", f"at {lead[i]:g} fs"
        if asked:
            yield Criterion(2, what, ratios[i], "", bound, met, note)
        else:
            yield Criterion(2, what, ratios[i], note=note)


def long_rollout(rollout: Metrics, starts: Sequence[Metrics]) -> Iterator[Criterion]:
    """Target 3: nothing drifts, freezes or breaks; `starts` of all rollouts of the model."""
    stability, origin = rollout["stability"], rollout["provenance"]
    frames = rollout["generated"]["n_frames"]
    yield Criterion(3, "frames", frames, "", f"≥ {FRAMES}", frames >= FRAMES)
    sampler, evaluations = origin.get("sampler"), origin.get("evaluations")
    few = None
    if sampler is not None and evaluations is not None:
        few = sampler in _SAMPLERS and evaluations <= _EVALUATIONS
    bound = f"≤ {_EVALUATIONS}, {' or '.join(_SAMPLERS)}"
    note = "no sampler is recorded" if few is None else f"by {sampler}"
    yield Criterion(3, "evaluations per frame", evaluations, "", bound, few, note)
    offset = stability["electrons"]["largest_offset_percent"]
    change = stability["electrons"]["fitted_change_percent"]
    error = stability["electrons"]["fitted_change_error_percent"]
    note = "largest offset of a window's mean from the reference's"
    if change is not None:
        note += f"; straight line over the whole {change:+.2g} ± {error:.1g} %"
    yield below(3, "electron count off by", offset, _ELECTRONS, "%", note)
    for name, what in (
        ("sjsd", "change of sJSD"),
        ("structure_factor_error", "change of the S(q) error"),
        ("step_ratio", "change of the step size ratio"),
    ):
        yield _trend(what, stability["trends"][name])
    yield from _whole(3, stability)
    if starts:
        places = sorted({start["reference_frame"] for start in starts if start["in_reference"]})
        known = f"reference frames {', '.join(map(str, places))}" if places else "not in this one"
        yield Criterion(3, "rollouts of this model judged", len(starts), note=f"start: {known}")


def _trend(what: str, trend: Metrics) -> Criterion:
    if trend["change"] is None:
        return missing(3, what, "too few windows, or no common time step")
    noise = trend["noise"] or 0.0
    return Criterion(
        3,
        what,
        trend["change"],
        "",
        f"within ± {max(2 * trend['error'], noise):.2g}",
        not trend["drifts"],
        f"first window {trend['first']:.3g}, last {trend['last']:.3g}; standard error "
        f"{trend['error']:.2g}, between halves of the reference {noise:.2g}",
    )


def _whole(target: int, stability: Metrics) -> Iterator[Criterion]:
    frozen = stability["frozen_frames"]
    why = "no common time step with the reference" if frozen is None else ""
    met = None if frozen is None else frozen == 0
    yield Criterion(target, "frozen frames", frozen, "", "0", met, why)
    bad = stability["not_finite_frames"]
    yield Criterion(target, "frames not finite", bad, "", "0", bad == 0)


def dynamics(
    rollout: Metrics, scattering: Metrics, target: int = 4, of: str = ""
) -> Iterator[Criterion]:
    """Target 4, and part of 5: relaxation times, and S(q) beside its noise."""
    yield _relaxation(scattering, target, of)
    factor = rollout["structure_factor"]
    kinds = ("amplitude", "intensity") if target == 4 else ("intensity",)
    for kind in kinds:
        ratios = [
            (ratio, q)
            for ratio, q in zip(factor[kind]["noise_ratio"], factor["q"], strict=True)
            if ratio is not None
        ]
        worst, q = max(ratios, default=(None, None))
        note = "" if q is None else f"at q = {q:.3g}/Å, of {len(ratios)} shells"
        what = f"S(q) error over noise, {kind}, largest{of}"
        yield at_most(target, what, worst, _NOISE, "", note)
        if target == 4:
            yield _own_noise(factor, kind)


def _own_noise(factor: Metrics, kind: str) -> Criterion:
    """Give the same for the halves of the reference, which show how hard the bound is."""
    pairs = zip(factor[kind]["half_against_half"], factor[kind]["noise_floor"], strict=True)
    own = [half / floor for half, floor in pairs if half is not None and floor]
    note = f"{sum(ratio > _NOISE for ratio in own)} of {len(own)} shells above {_NOISE:g}"
    what = f"the same between the halves of the reference, {kind}"
    return Criterion(4, what, max(own, default=None), note=note)


def _relaxation(scattering: Metrics, target: int, of: str) -> Criterion:
    what = f"relaxation times off by, largest{of}"
    if not scattering["available"]:
        return missing(target, what, scattering["reason"])
    known = [i for i, sure in enumerate(scattering["known"]) if sure]
    if not known:
        return missing(target, what, "the reference knows no relaxation time to 10 %")
    shells = f"of {len(known)} shells known to 10 % ({len(scattering['q'])} in all)"
    ratios = {i: scattering["ratio"][i] for i in known}
    dead = [i for i in known if ratios[i] is None]
    if dead:
        wave = scattering["q"][dead[0]]
        note = f"does not fall to 1/e at q = {wave:.3g}/Å; {shells}"
        return Criterion(target, what, None, "%", f"≤ {100 * _TIMES:g}", False, note)
    worst = max(known, key=lambda i: abs(ratios[i] - 1))
    error = scattering["ratio_error"][worst]
    unsure = "" if error is None else f" ± {error:.2g}"
    note = f"ratio {ratios[worst]:.3g}{unsure} at q = {scattering['q'][worst]:.3g}/Å, {shells}"
    return at_most(target, what, 100 * abs(ratios[worst] - 1), 100 * _TIMES, "%", note)


def transfer(name: str, metrics: Metrics, *, named: bool) -> Iterator[Criterion]:
    """Target 5: the bounds of the others for what does not depend on the size of the cell."""
    one, of = metrics["transfers"][name], f" ({name})" if named else ""
    noise = metrics["levels"]["noise"]["sjsd"]
    over = one["distribution"]["sjsd"] / noise if noise else None
    yield at_most(5, f"sJSD over noise{of}", over, _NOISE, note=_HALVES)
    yield from dynamics(one, metrics["scattering"]["transfers"][name], 5, of)
    real = one["electrons"]["reference"]["mean"]
    off = 100 * abs(one["electrons"]["generated"]["mean"] / real - 1)
    yield below(5, f"electrons per atom off by{of}", off, _ELECTRONS, "%")
    step = one["step_size"]["ratio"]
    moved = None if step is None else 100 * abs(step - 1)
    yield at_most(5, f"step size off by{of}", moved, 100 * _TIMES, "%")
    yield from _whole(5, one["stability"])


def memorisation(name: str, found: Metrics | None) -> Iterator[Criterion]:
    """Target 6: generated frames are no nearer to training frames than held-back ones."""
    what = "distance to training over held-back frames"
    if found is None or not found["available"]:
        yield missing(6, what, "no --training" if found is None else found["reason"])
        return
    mine, held = found["rollouts"][name], found["held_back"]
    ratio, chance = mine["ratio"], mine["p_nearer"]
    if ratio is None:
        yield missing(6, what, "held-back frames are copies of training frames")
        return
    yield Criterion(
        6,
        f"{what}, median",
        ratio,
        "",
        f"≥ 1, or nearer by chance (p ≥ {_CHANCE:g})",
        ratio >= 1 or chance >= _CHANCE,
        f"p = {chance:.2g} from {mine['n_frames']} and {held['n_frames']} frames",
    )
    least = held["quantiles"]["minimum"]
    nearest = mine["quantiles"]["minimum"] / least if least else None
    yield Criterion(6, f"{what}, smallest", nearest)
