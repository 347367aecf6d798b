"""Which modules the target's Python can't compile, told by ruff, whose parser knows the syntax of each version.

Not by the host's own compiler, which knows one version. Over the standard libraries and test suites of CPython 3.9 to
3.13, ruff and each version's `compile` agree on every file, but for two oddities that ruff takes for right: an
unparenthesised `:=` in an index on 3.9, and `nonlocal` with a name that a class mangles. What it doesn't judge as the
tokenizer does, `tokenizer` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cdk_lambda_package.checks.contents import SyntaxFault
from cdk_lambda_package.modules.group_record import GroupRecord
from cdk_lambda_package.modules.parser_versions import describe_parsers
from cdk_lambda_package.modules.source_text import UndecodableError, decode_source
from cdk_lambda_package.processes import Runner
from cdk_lambda_package.splicing.tree import Entry
from cdk_lambda_package.store import Store
from cdk_lambda_package.syntax.checker import TextFault, check_texts, run_limited
from cdk_lambda_package.syntax.tokenizer import find_token_fault
from cdk_lambda_package.target import Target

_KIND = "syntax"
# Part of the key: raised whenever something else is found in the same source.
_FORMAT = "s2"


def find_syntax_faults(
    modules: Iterable[Entry],
    read: Callable[[str], bytes],
    target: Target,
    store: Store,
    *,
    runner: Runner = run_limited,
) -> tuple[SyntaxFault, ...]:
    """Return the first fault of each module in order of their paths; `read` gives a module's source by its path.

    Raises `CheckError` if ruff can't be started or doesn't do its work: then nothing is known, and nothing remembered.
    """
    groups: dict[str, list[Entry]] = {}
    for module in modules:
        # What vendor/ has seldom changes, so what is known of it needn't be written again with each edit of the app.
        groups.setdefault(module.owner, []).append(module)
    found: list[SyntaxFault] = []
    for group in groups.values():
        faults = _find_in_group(group, read, target, store, runner)
        for module in group:
            fault = faults(module.digest)
            if fault is not None:
                line, column, message, certain = fault
                found.append(SyntaxFault(path=module.path, line=line, column=column, message=message, certain=certain))
    return tuple(sorted(found, key=lambda fault: fault.path))


def _find_in_group(
    group: Sequence[Entry], read: Callable[[str], bytes], target: Target, store: Store, runner: Runner
) -> Callable[[str], TextFault | None]:
    """Return what gives a module's fault by the digest of its source."""
    record = GroupRecord(store, _KIND, group, f"{_FORMAT} {target.runtime.name} {describe_parsers()}")
    missing = {module.digest: module.path for module in group if module.digest not in record}
    uncertain: dict[str, TextFault] = {}
    if missing:
        sources = {digest: read(path) for digest, path in missing.items()}
        for digest, fault in _find_in_sources(sources, target, store, runner).items():
            if fault is not None and not fault.certain:
                # What ended the parser may have been the machine's fault: it is tried again the next time.
                uncertain[digest] = fault
            else:
                record[digest] = fault
        record.save()
    return lambda digest: uncertain.get(digest) or _decode(record[digest])


def _decode(row: Sequence[object] | None) -> TextFault | None:
    return None if row is None else TextFault(*row)  # type: ignore[arg-type]  # as it was written


def _find_in_sources(
    sources: Mapping[str, bytes], target: Target, store: Store, runner: Runner
) -> Mapping[str, TextFault | None]:
    """Return the first fault of each source by its name, None for sound ones."""
    faults: dict[str, TextFault | None] = dict.fromkeys(sources)
    texts: dict[str, str] = {}
    for name, source in sources.items():
        try:
            texts[name] = decode_source(source)
        except UndecodableError as error:
            faults[name] = TextFault(error.line, 1, str(error))
    for name, fault in check_texts(texts, target, store, runner):
        known = faults[name]
        if known is None or fault < known:
            faults[name] = fault
    for name, text in texts.items():
        if faults[name] is None and (refused := find_token_fault(text)):
            faults[name] = TextFault(refused[0], 1, refused[1])
    return faults
