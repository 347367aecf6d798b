"""The stages of a build, in the order of their numbers; `pipeline` calls one after the other.

| module | takes | returns |
|---|---|---|
| `s1_app` | request | `App`: the files of the entry directory |
| `s2_resolution` | request, target, `App` | `ResolutionRequest`, and `Resolution`: exact wheels |
| `s3_inputs` | all of these | `Inputs`: everything that the package is a function of, with its key |
| `s4_layout` | `Inputs` | `Layout`: wheels fetched, spliced and merged into a tree |
| `s4_companions` | `Inputs` of several functions | which share a layer, and `Inputs` with the needs of all |
| `s4_slim` | `Inputs`, `Layout` | the files that the function doesn't need, and `LayerNeeds`: what it needs of a layer that others share |
| `s4_bytecode` | `Inputs`, `Layout` | `Layout`: with the bytecode of its modules |
| `s4_archives` | `Inputs`, `Layout` | `Archives`: the files of the function's archive, and of a layer's |
| `s5_checks` | `Inputs`, `Layout` | `Review`: what would fail on Lambda |
| `s5_cures` | findings, `Inputs`, `Layout` | the findings, with the releases that don't have them |
| `s6_smoke` | `Inputs`, `Layout` | findings of a real import, and requirements that it lacks |
| `s6_unpacking` | `Inputs`, `Archives` | a workspace in which the package is unpacked as on Lambda |
| `s7_output` | an archive's splices, a path | the .zip file archive, or the unpacked package |
"""

from cdk_lambda_package.stages.s1_app import read_requested_app
from cdk_lambda_package.stages.s2_resolution import (
    find_resolution,
    plan_locked,
    plan_resolution,
    resolve_as_locked,
)
from cdk_lambda_package.stages.s3_inputs import Inputs, PackageKey, join_inputs, why_uncompiled, with_compiler
from cdk_lambda_package.stages.s4_archives import Archive, Archives, archives_of
from cdk_lambda_package.stages.s4_bytecode import add_bytecode
from cdk_lambda_package.stages.s4_companions import Sharing, SharingFunction, share, with_companions
from cdk_lambda_package.stages.s4_layout import fetch_segments, find_segments, lay_out, narrow
from cdk_lambda_package.stages.s4_slim import find_unneeded, needs_of_layer
from cdk_lambda_package.stages.s5_checks import Review, check_package, read_contents, review_key
from cdk_lambda_package.stages.s5_cures import cure_findings
from cdk_lambda_package.stages.s6_smoke import import_package, measure_import, recalled_import
from cdk_lambda_package.stages.s6_unpacking import (
    PLACES,
    as_on_lambda,
    lambda_variables,
    obstacle_here,
    read_only,
    unpacked,
)
from cdk_lambda_package.stages.s7_output import (
    InFolder,
    OutputFolder,
    is_current,
    keep_written,
    refuse_foreign_files,
    write_output,
)
