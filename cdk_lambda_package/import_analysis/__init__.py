"""Reads Python source and says what imports would do, without running them.

The interface is `ImportAnalysis`, for files given by path with their digests, a Python and what is provided; the rest are the
values that it takes and returns. Nothing here knows what a package is or where its files come from.
"""

from cdk_lambda_package.import_analysis.analysis import ImportAnalysis
from cdk_lambda_package.import_analysis.facts import (
    Binding,
    ImportStatement,
    ModuleFacts,
    NameKind,
    OpenedLibrary,
    SourceFile,
    TextFault,
)
from cdk_lambda_package.import_analysis.finder import Environment, ModuleFinder, ModuleOrigin
from cdk_lambda_package.import_analysis.graph import ImportGraph, Lack, Link, Reason, Runs, Step
from cdk_lambda_package.import_analysis.makers import Maker, NamedCall, named_calls
from cdk_lambda_package.import_analysis.module_names import Names
from cdk_lambda_package.import_analysis.reach import Reach
