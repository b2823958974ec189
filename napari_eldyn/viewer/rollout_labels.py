"""Names of rollouts that stand side by side: what differs, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from napari_eldyn.viewer.samples import sample_title
from napari_eldyn.viewer.session import Session

__all__ = ["full_label", "rollout_labels"]

_SEPARATOR = " · "


def rollout_labels(sessions: Sequence[Session]) -> list[str]:
    """Name rollouts by what differs between them, each by another name.

    Parameters
    ----------
    sessions : sequence of Session
        The rollouts.

    Returns
    -------
    list of str
        "seed 1", "dpmpp_2m 8 · seed 0", "Paper (pooled) · ddim 20", …; the model's name if
        nothing differs. A sampler that goes with the model is not named.
    """
    columns = [[part(session) for session in sessions] for part in (_reference, *_parts(sessions))]
    telling = [column for column in columns if len(set(column)) > 1]
    names = [_SEPARATOR.join(parts) for parts in zip(*telling, strict=True)] if telling else []
    return _told_apart(names or [_model(session) for session in sessions])


def full_label(session: Session) -> str:
    """Name everything that a rollout is made with."""
    parts = (_model, _sampler_and_evaluations, _seed, _start, _reference)
    return _SEPARATOR.join(part(session) for part in parts)


def _parts(sessions: Sequence[Session]) -> tuple[Callable[[Session], str], ...]:
    hashes = {session.model.emulator.sha256 for session in sessions}
    titles = {_model(session) for session in sessions}
    model = _model if len(titles) == len(hashes) else _model_and_hash
    samplers = {session.settings.sampler for session in sessions}
    evaluations = {session.settings.evaluations for session in sessions}
    if _go_with(sessions, model, _sampler_and_evaluations):
        return model, _seed, _start
    if len(samplers) == 1:
        sampler = _evaluations
    elif len(evaluations) == 1:
        sampler = _sampler
    else:
        sampler = _sampler_and_evaluations
    return model, sampler, _seed, _start


def _go_with(
    sessions: Sequence[Session], model: Callable[[Session], str], part: Callable[[Session], str]
) -> bool:
    """Whether a part differs only because the models do, each having its own."""
    return len({(model(x), part(x)) for x in sessions}) == len({model(x) for x in sessions})


def _model(session: Session) -> str:
    return sample_title(session.model.path)


def _model_and_hash(session: Session) -> str:
    return f"{_model(session)} [{(session.model.emulator.sha256 or 'not saved')[:6]}]"


def _sampler(session: Session) -> str:
    return session.settings.sampler


def _evaluations(session: Session) -> str:
    return f"{session.settings.evaluations} evaluations"


def _sampler_and_evaluations(session: Session) -> str:
    return f"{session.settings.sampler} {session.settings.evaluations}"


def _seed(session: Session) -> str:
    return f"seed {session.settings.seed}"


def _start(session: Session) -> str:
    return f"from frame {session.settings.start_frame} ({session.pairing.first_time:g} fs)"


def _reference(session: Session) -> str:
    return session.pairing.trajectory.name


def _told_apart(names: list[str]) -> list[str]:
    """Tell names that are alike apart by numbers."""
    alike, seen = Counter(names), Counter[str]()
    result = []
    for name in names:
        seen[name] += 1
        result.append(f"{name} ({seen[name]})" if alike[name] > 1 else name)
    return result
