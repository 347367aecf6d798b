"""Stage 5, where a requirement's own import fails: ask the index for its newest release, and say whether that one works.

Only an error that isn't acknowledged costs this. The answer isn't guessed: the package with the other release goes through the
same checks. It is remembered for a day, so that the next build says the same, also offline. An index that doesn't answer isn't
asked again for a while, so that builds and synths without a network wait once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cdk_lambda_package.errors import Finding, NoWheelError, PackageError, RequirementsError, Severity
from cdk_lambda_package.failures import during
from cdk_lambda_package.keys import key_of
from cdk_lambda_package.manifest import owner_of
from cdk_lambda_package.progress import QUIET, Progress
from cdk_lambda_package.requirements import LockedWheel, TooLargeError, find_chains, find_requirers
from cdk_lambda_package.splicing import Layout
from cdk_lambda_package.stages.s3_inputs import Inputs
from cdk_lambda_package.stages.s5_checks import read_contents
from cdk_lambda_package.store import Store, remembered

# Errors of a release, which another one may not have; and one that another requirement may cause as well.
_OF_RELEASE = frozenset({"removed-from-standard-library", "name-not-found"})
_OF_REQUIREMENTS = "import-not-found"
# The index is asked about so many distributions in one build.
_MOST_ASKED = 2
_LASTS = timedelta(days=1)
# Within this time an index that didn't answer isn't asked for the release of anything.
_SILENT = timedelta(minutes=10)


@remembered("releases", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Trial:
    """What became of the newest release, at a time; `version` is "" if there is no newer one.

    `errors` are the ids and subjects of its own errors, None if no package could be made of it.
    """

    asked: datetime
    version: str
    errors: tuple[tuple[str, str], ...] | None = None

    def cures(self, finding: Finding) -> bool:
        """Tell whether the release has neither this error nor one of its kind."""
        # What a new release requires besides isn't there yet, and comes with it.
        return self.errors is not None and not any(
            name in _OF_RELEASE or subject == finding.subject for name, subject in self.errors
        )


@remembered("silences", version=1)
@dataclass(frozen=True, kw_only=True, slots=True)
class _Silence:
    """When the places of a request didn't answer."""

    since: datetime


@during("looking for a release that works")
def cure_findings(
    findings: tuple[Finding, ...],
    inputs: Inputs,
    lay_out: Callable[[Inputs], Layout],
    store: Store,
    progress: Progress = QUIET,
    *,
    now: datetime | None = None,
) -> tuple[Finding, ...]:
    """Return the findings, those about a requirement's own imports with the release that works, if one is found cheaply.

    `lay_out` returns the layout of inputs. Silent if the index can't be asked.

    Example:
        `cure_findings(review.findings, inputs, lambda one: lay_out(one, store, progress), store)`
    """
    acknowledged = inputs.request.packaging.acknowledge or ()
    curable = [one for one in findings if _is_curable(one) and not one.is_among(acknowledged)]
    # Commands after the packaging may do anything with another release.
    if not curable or not inputs.wheels or inputs.request.packaging.after_packaging:
        return findings
    doctor = _Doctor(inputs, lay_out, store, progress, now or datetime.now(UTC))
    return tuple(doctor.treat(one) if one in curable else one for one in findings)


def _is_curable(finding: Finding) -> bool:
    of_release = finding.id in _OF_RELEASE or finding.id == _OF_REQUIREMENTS
    return of_release and finding.severity is Severity.ERROR and finding.distribution is not None


class _Doctor:
    """Looks for releases, for one package."""

    def __init__(
        self, inputs: Inputs, lay_out: Callable[[Inputs], Layout], store: Store, progress: Progress, now: datetime
    ) -> None:
        self._inputs, self._lay_out, self._store, self._progress, self._now = inputs, lay_out, store, progress, now
        self._trials: dict[str, _Trial | None] = {}

    def treat(self, finding: Finding) -> Finding:
        """Return a finding with the sentences on another release."""
        wheel = next((one for one in self._inputs.wheels if owner_of(one) == finding.distribution), None)
        if wheel is None or wheel.source or wheel.direct:
            return finding
        trial = self._find_trial(wheel)
        advice = _advise(trial, finding, wheel, self._inputs) if trial is not None else None
        return replace(finding, message=_with_advice(finding.message, advice, wheel.name)) if advice else finding

    def _find_trial(self, wheel: LockedWheel) -> _Trial | None:
        if wheel.name not in self._trials:
            self._trials[wheel.name] = self._recall_or_try(wheel)
        return self._trials[wheel.name]

    def _recall_or_try(self, wheel: LockedWheel) -> _Trial | None:
        asked = self._inputs.asked
        rules = (asked.target, asked.uploaded_prior_to, asked.only_index, asked.pip_args)
        # Who gives a module its names may be another distribution.
        key = key_of(wheel.name, rules, sorted(one.sha256 for one in self._inputs.wheels))
        known = self._store.recall(_Trial, key)
        if known is not None and timedelta(0) <= self._now - known.asked <= _LASTS:
            return known
        places = key_of("places", rules)
        silence = self._store.recall(_Silence, places)
        is_silent = silence is not None and timedelta(0) <= self._now - silence.since <= _SILENT
        if is_silent or len(self._trials) >= _MOST_ASKED:
            return known
        try:
            with self._progress.step(f"looking for a release of {wheel.name} that works"):
                trial = self._try(wheel)
        except (NoWheelError, TooLargeError):
            return known
        except RequirementsError:
            # Unreachable, or not in time.
            self._store.remember(_Silence(since=self._now), places)
            return known
        self._store.remember(trial, key)
        return trial

    def _try(self, wheel: LockedWheel) -> _Trial:
        # Imported here, as in `s5_checks`: most packages have no such error.
        from cdk_lambda_package.checks import check
        from cdk_lambda_package.resolving import fetch_newest_release

        release = fetch_newest_release(wheel.name, wheel.version, self._inputs.asked, self._store)
        if release is None:
            return _Trial(asked=self._now, version="")
        newer = replace(wheel, version=release.version, filename=release.filename, sha256=release.sha256)
        wheels = tuple(newer if one is wheel else one for one in self._inputs.wheels)
        changed = replace(self._inputs, wheels=wheels)
        try:
            found = check(read_contents(changed, self._lay_out(changed), self._store))
        except PackageError:
            return _Trial(asked=self._now, version=release.version)
        errors = [one for one in found if one.severity is Severity.ERROR and one.distribution == owner_of(newer)]
        told = tuple((one.id, one.subject or "") for one in errors)
        return _Trial(asked=self._now, version=release.version, errors=told)


def _with_advice(message: str, advice: str, name: str) -> str:
    """Return a message whose advice to take some newer release is replaced by what is known of releases."""
    # Imported here, as in `s5_checks`: most packages have no such error.
    from cdk_lambda_package.checks import newer_release

    vague = newer_release(name)
    return message.replace(vague, advice) if vague in message else f"{message} {advice}"


def _advise(trial: _Trial, finding: Finding, wheel: LockedWheel, inputs: Inputs) -> str | None:
    """Return what the index's newest release means for an error of a release; None if it says nothing about it."""
    if not trial.version:
        return f"There is no newer release of {wheel.name}." if finding.id in _OF_RELEASE else None
    if not trial.cures(finding):
        fails = trial.errors is not None and finding.id in _OF_RELEASE
        return f"The newest release, {wheel.name} {trial.version}, fails too." if fails else None
    line = f"{wheel.name}>={trial.version}"
    cure = f"{wheel.name} {trial.version} doesn't have this error:"
    again = " and lock again" if inputs.asked.lock is not None else ""
    if wheel.requested:
        return f"{cure} require {line}{again}."
    chain = find_chains(find_requirers(inputs.wheels)).get(wheel.name, ())
    parents = {one.name: one.version for one in inputs.wheels}
    by = " → ".join(f"{name} {parents.get(name, '')}".rstrip() for name in chain)
    first = f"; if {chain[-1]} doesn't allow it, require a newer {chain[0]}" if chain else ""
    return f"{cure} {f'{by} requires it; ' if by else ''}add {line} to the requirements{again}{first}."
