"""The stages of a build, in the order of their numbers; `pipeline` calls one after the other.

| module | takes | returns |
|---|---|---|
| `s3_inputs` | request, target, `App`, `Resolution` | `Inputs`: everything that the package is a function of, with its key |
| `s4_layout` | `Inputs` | `Layout`: wheels fetched, spliced and merged into a tree |
"""

from cdk_lambda_package.stages.s3_inputs import Inputs, PackageKey, join_inputs
from cdk_lambda_package.stages.s4_layout import Layout, lay_out

__all__ = ["Inputs", "Layout", "PackageKey", "join_inputs", "lay_out"]
