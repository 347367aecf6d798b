"""What is asked of a stack once, however many functions it has: each question to CDK is a message to another process."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_cdk import Stack
from constructs import Construct

from cdk_lambda_package.cdk.asset_place import AssetPlace, find_asset_place


@dataclass(kw_only=True, slots=True)
class StackNotes:
    """Whether this run of the CDK CLI bundles a stack, where its assets are kept, and which findings it has shown.

    `said` has a package's key and a finding's text for each.
    """

    bundled: bool
    said: set[tuple[str, str]] = field(default_factory=set)
    _place: AssetPlace | None = None

    def find_asset_place(self, scope: Construct) -> AssetPlace:
        """Return the place of the assets of the stack's app.

        Raises `OptionError` for a scope that belongs to no app.
        """
        if self._place is None:
            self._place = find_asset_place(scope)
        return self._place


def read_stack(scope: Construct) -> StackNotes:
    """Return the notes on the stack that a scope belongs to, made when they are first asked for."""
    stack = scope if isinstance(scope, Stack) else Stack.of(scope)
    # Kept by the stack itself: they are a matter of the app that is being constructed, and gone with it.
    kept = vars(stack)
    if _KEPT not in kept:
        kept[_KEPT] = StackNotes(bundled=stack.bundling_required)
    notes: StackNotes = kept[_KEPT]
    return notes


_KEPT = "_cdk_lambda_package_notes"
